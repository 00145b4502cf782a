"""An environment of their own for other people's trainers, made once, and the rows that are measured inside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.harness import Row

_ROOT = Path(__file__).parents[2]
_REQUIREMENTS = Path(__file__).with_name("peers.txt")
_HOME = _ROOT / ".manifold" / "training-peers"


def peer_rows(device: torch.device) -> Iterator[Row]:
    """`epoch_over_pythae` and `greedy_speedup_over_public`; nothing, with the reason, where they cannot be installed.

    Peers and ours run in one process of the peers' environment, which also sees our packages: one torch for both.
    """
    try:
        python = _environment()
    except subprocess.CalledProcessError as error:
        print(f"no peers, so no rows over them: {error}")
        return
    found = subprocess.run(
        [python, "-m", "benchmarks.training.against_peers", device.type],
        cwd=_ROOT,
        env=os.environ | {"PYTHONPATH": str(_ROOT)},
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ).stdout
    for record in json.loads(found.splitlines()[-1]):
        yield Row(**record)


def _environment() -> Path:
    """The interpreter of the peers' environment, in which they are installed."""
    python = _HOME / "bin" / "python"
    done = _HOME / "installed.txt"
    wanted = _REQUIREMENTS.read_text("utf-8")
    if not (done.is_file() and done.read_text("utf-8") == wanted):
        venv.create(_HOME, clear=True, with_pip=True)
        (site,) = _HOME.glob("lib/python*/site-packages")
        (site / "manifold.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
        # Without --no-deps a second torch would come.
        install: list[str | Path] = [
            python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ]
        subprocess.run([*install, "-r", _REQUIREMENTS], check=True, stdout=sys.stderr)
        done.write_text(wanted, "utf-8")
    return python
