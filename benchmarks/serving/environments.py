"""Environments of their own for other people's servers, made once and kept below `.manifold/`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_PINS = Path(__file__).with_name("peers")
# Triton's Python stub carries an interpreter of its own, and takes only libraries of its very release: 3.11.2, which is
# Debian's. Any other Python 3.11 makes an environment as well, in which the stub may fail.
_MADE_BY = {"triton": Path("/usr/bin/python3.11")}


class InstallError(Exception):
    """An environment could not be made; the message ends with what pip said."""


def interpreter(name: str) -> Path:
    """The interpreter of an environment in which `peers/<name>.txt` is installed.

    Raises:
        InstallError: it cannot be.
    """
    home = _ROOT / ".manifold" / f"serving-peers-{name}"
    python, done = home / "bin" / "python", home / "installed.txt"
    pins = _PINS / f"{name}.txt"
    asked = _MADE_BY.get(name, Path(sys.executable))
    maker = asked if asked.is_file() else Path(sys.executable)
    wanted = f"# made by {maker}\n{pins.read_text('utf-8')}"
    if not (done.is_file() and done.read_text("utf-8") == wanted):
        print(f"installing {name} into {home}", file=sys.stderr, flush=True)
        commands: list[list[str | Path]] = [
            [maker, "-m", "venv", "--clear", home],
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", pins],
        ]
        for command in commands:
            made = subprocess.run(command, capture_output=True, text=True, check=False)
            if made.returncode != 0:
                said = (made.stderr.strip() or made.stdout.strip())[-300:]
                raise InstallError(f"{pins.name} cannot be installed: {said}")
        done.write_text(wanted, "utf-8")
    return python


def version_of(python: Path, package: str) -> str:
    """The version of a package in an environment."""
    ask = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
    return subprocess.run([python, "-c", ask, package], capture_output=True, text=True, check=True).stdout.strip()
