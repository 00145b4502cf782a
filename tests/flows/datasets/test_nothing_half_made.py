"""A preparation that fails, is killed, or runs out of disk leaves no dataset, and the next one succeeds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from flows.steps.datasets import Dataset
from flows.steps.errors import DatasetError

Prepare = Callable[..., Dataset]

# Runs in a process of its own: prepares `source` into `home` and meets `fault` on the way.
_SCRIPT = """
import os, resource, signal, sys
from pathlib import Path
from flows.steps.datasets import PrepareSettings, prepare_dataset
from flows.steps.errors import DatasetError

source, home, fault = sys.argv[1:]

def on_progress(what, done, total):
    if fault == "killed" and what == "write":
        os.kill(os.getpid(), signal.SIGKILL)

if fault == "disk full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    home = Path(home)
    prepare_dataset(source, home=home, data_folder=home, settings=PrepareSettings(), on_progress=on_progress)
except DatasetError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    path = tmp_path / "matrix.npy"
    np.save(path, np.random.default_rng(0).random((1000, 8)))
    return path


def _datasets(home: Path) -> list[Path]:
    """What a reader that lists the datasets can see."""
    return [path for path in (home / "datasets").iterdir() if not path.name.startswith(".")]


def _run(matrix: Path, home: Path, fault: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _SCRIPT, str(matrix), str(home), fault]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("stage", ["read", "check", "write"])
def test_a_failure_in_the_middle_leaves_nothing(prepare: Prepare, matrix: Path, home: Path, stage: str) -> None:
    def fail(what: str, _done: int, _total: int) -> None:
        if what == stage:
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        prepare(matrix, on_progress=fail)

    assert [path.name for path in (home / "datasets").iterdir()] == [".lock"]
    assert not prepare(matrix).reused


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL: run it on Linux or macOS")
def test_a_killed_preparation_leaves_no_dataset_and_the_next_one_cleans_up(
    prepare: Prepare, matrix: Path, home: Path
) -> None:
    killed = _run(matrix, home, "killed")

    assert killed.returncode == -9
    assert _datasets(home) == []

    dataset = prepare(matrix)

    assert not dataset.reused
    assert sorted(path.name for path in (home / "datasets").iterdir()) == [".lock", dataset.folder.name]


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on file sizes: run it on Linux or macOS")
def test_a_full_disk_is_told_in_one_line_and_leaves_nothing(matrix: Path, home: Path) -> None:
    full = _run(matrix, home, "disk full")

    assert full.returncode == 1
    assert "cannot be written" in full.stderr
    assert "Traceback" not in full.stderr
    assert [path.name for path in (home / "datasets").iterdir()] == [".lock"]


def test_a_home_that_cannot_be_written_is_told_in_one_line(prepare: Prepare, matrix: Path, home: Path) -> None:
    home.write_text("a file where the home should be")

    with pytest.raises(DatasetError, match="cannot be written"):
        prepare(matrix)
