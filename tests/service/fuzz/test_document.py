"""The OpenAPI document, fuzzed by schemathesis: what is sent by its schemas or against them is answered as it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.service.fuzz.sent import EXAMPLES
from tests.service.processes import ROOT, Server

SUITE_CASES = 6
CHECKS = [
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "unsupported_method", "allow_header_conformance", "one_shape",
]  # fmt: skip


def test_every_operation_answers_as_the_document_says(server: Server, tmp_path: Path) -> None:
    phases = "examples,coverage,fuzzing" if EXAMPLES else "examples,fuzzing"
    command = [
        Path(sys.executable).with_name("schemathesis"), "run", server.url + "/openapi.json", "--phases", phases,
        "--checks", ",".join(CHECKS), "--max-examples", str(EXAMPLES or SUITE_CASES), "--continue-on-failure",
        "--request-timeout", "10", "--no-color",
        *(("--generation-database", "none") if EXAMPLES else ("--seed", "1", "--generation-deterministic")),
    ]  # fmt: skip
    hooks = {"SCHEMATHESIS_HOOKS": "tests.service.fuzz.schemathesis_checks", "PYTHONPATH": str(ROOT)}
    # In a folder of its own: it writes what it found into where it runs.
    found = subprocess.run(
        command, cwd=tmp_path, env=os.environ | hooks, capture_output=True, text=True, check=False, timeout=280
    )
    assert found.returncode == 0, found.stdout + found.stderr
    # Everything was asked, and nothing was left out.
    tested = re.search(r"Selected: (\d+)/(\d+)\s+Tested: (\d+)", found.stdout)
    assert tested is not None, found.stdout
    assert len(set(tested.groups())) == 1, found.stdout
    assert int(tested[1]) >= 30
