"""What the command line imports before it has set what Prefect and torch read when they are imported."""

from __future__ import annotations

import subprocess
import sys

import httpx
import pytest


@pytest.mark.parametrize("library", ["prefect", "torch", "bentoml", "onnxruntime", "sklearn"])
def test_the_command_line_starts_without(library: str) -> None:
    script = f"import sys, flows.command_line, flows.train_command; sys.exit({library!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_prefects_page_asks_the_server_that_serves_it(prefect_api: str) -> None:
    settings = httpx.get(f"{prefect_api.removesuffix('/api')}/ui-settings").raise_for_status().json()
    assert settings["api_url"] == prefect_api
