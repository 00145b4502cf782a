"""The examples of docs/clients.md run as they stand there, each language's in their order, against a real server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markdown_it import MarkdownIt
from PIL import Image

from tests.service.processes import ROOT

# What runs a language's examples, given as a file.
RUN = {"bash": ["bash", "-eu"], "python": [sys.executable, "-W", "error"], "javascript": ["node"]}
ENDINGS = {"bash": "sh", "python": "py", "javascript": "mjs"}


def examples() -> list[tuple[str, str]]:
    """(language, code) of each fenced block."""
    parsed = MarkdownIt().parse((ROOT / "docs" / "clients.md").read_text("utf-8"))
    return [(token.info, token.content) for token in parsed if token.type == "fence"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the page says lies in the folder."""
    rows = np.random.default_rng(0).uniform(0, 255, (5, 4, 4)).astype(np.float32)
    np.save(tmp_path / "rows.npy", rows)
    Image.fromarray(rows[0].astype(np.uint8)).save(tmp_path / "cat.png")
    return tmp_path


def run(language: str, folder: Path, url: str) -> list[str]:
    """The lines that a language's examples write."""
    code = "\n".join(code for info, code in examples() if info == language)
    assert "http://127.0.0.1:3000" in code
    file = folder / f"examples.{ENDINGS[language]}"
    file.write_text(code.replace("http://127.0.0.1:3000", url), "utf-8")
    result = subprocess.run(
        [*RUN[language], str(file)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MANIFOLD_KEY": "not-asked-for"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout.splitlines()


def test_every_example_is_of_a_language_that_is_run_here() -> None:
    assert {language for language, _ in examples()} == RUN.keys()


@pytest.mark.needs("curl")
def test_the_examples_for_curl(server: Any, tiny: Any, folder: Path) -> None:
    lines = run("bash", folder, server.url)
    rows = np.load(folder / "rows.npy")
    assert np.allclose(np.load(folder / "codes.npy"), tiny.encode(rows), atol=1e-4)
    assert {line.lower() for line in lines} >= {"x-manifold-space: space-of-first", "x-manifold-release: first"}
    assert (folder / "decoded.png").read_bytes().startswith(b"\x89PNG")
    said = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    assert len(said["new"]["x"]) == 4
    assert len(said["scores"]["latent_p"]) == 5
    assert np.shape(said["neighbours"]["id"]) == (5, 3)
    assert np.shape(said["cat"]["z"]) == (1, 2)
    assert said["models"]["live"] == "first"
    assert said["answer"]["space"] == "space-of-first"
    # The last one is a refusal, and its status stands behind it.
    assert json.loads(lines[-1].removesuffix("422"))["error"]["code"] == "invalid_value"


def test_the_examples_for_python(server: Any, folder: Path) -> None:
    lines = run("python", folder, server.url)
    assert lines[0] == "(5, 2) space-of-first first"
    assert lines[1].startswith("(5, 4, 4) (4, 4, 4) ")
    assert (folder / "new.png").read_bytes().startswith(b"\x89PNG")
    assert "first" in lines
    refusal = next(line for line in lines if line.startswith("422"))
    assert refusal.startswith("422 invalid_value x ")
    assert refusal.endswith(f"POST {server.url}/v1/embed 1")
    assert lines[-1] == "6"


@pytest.mark.needs("node")
def test_the_examples_for_javascript(server: Any, folder: Path) -> None:
    lines = run("javascript", folder, server.url)
    assert lines[0] == "[ 5, 2 ] space-of-first first"
    assert (folder / "drawn.png").read_bytes().startswith(b"\x89PNG")
    assert "first" in lines
    assert lines[-1].startswith("422 invalid_value x x: shape")
