"""One full report for all tests that look at it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import Manifold, environment
from tests.flows.drawn import Reported


def wait_for_a_layer(training: Path, known: set[Path]) -> None:
    for _ in range(15_000):
        if any(path.name.startswith("layer1-") and path.is_dir() for path in set(training.iterdir()) - known):
            return
        time.sleep(0.01)
    raise AssertionError(f"no layer was trained in {training}")


@pytest.fixture(scope="session")
def reported(
    manifold: Manifold, trained_home: Path, prefect_api: str, tmp_path_factory: pytest.TempPathFactory
) -> Reported:
    """A report that was killed while it trained its second layer, and then started again."""
    home = Path(shutil.copytree(trained_home, tmp_path_factory.mktemp("report") / "home"))
    folder = home.parent / "pictures"
    known = set((home / "training").iterdir())
    killed = subprocess.Popen(
        [Path(sys.executable).with_name("manifold"), "report", "-o", str(folder)],
        env=environment(home, prefect_api),
        cwd=home.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for_a_layer(home / "training", known)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not folder.exists()
    result = manifold("report", "-o", str(folder), home=home)
    assert result.returncode == 0, result.stdout + result.stderr
    return Reported(home, folder, result.stdout)
