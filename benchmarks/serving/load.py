"""The load generator: wrk, one thread of it, with a fixed number of connections that each ask again once answered."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = Path(__file__).with_name("load.lua")
_MARK = "FIGURES "


class LoadError(Exception):
    """There is no load generator, or it did not say what it measured; the message says what to do."""


@dataclass(frozen=True)
class Load:
    """What one round gave.

    Attributes:
        rate: answers a second with a status below 400.
        p50_ms: half of the answers came within it.
        p99_ms: 99 % of the answers came within it.
        failed: answers of 400 and above, and connections that broke or got no answer.
    """

    rate: float
    p50_ms: float
    p99_ms: float
    failed: int


def require_wrk() -> str:
    """The path of wrk.

    Raises:
        LoadError: it is not installed.
    """
    found = shutil.which("wrk")
    if found is None:
        raise LoadError("wrk is not installed: apt install wrk, brew install wrk, or github.com/wg/wrk")
    return found


def load(url: str, body: Path, headers: Mapping[str, str], *, seconds: int, connections: int) -> Load:
    """Ask a server for some whole seconds: wrk takes no parts of one.

    Raises:
        LoadError: wrk is not there or failed.
    """
    command = [require_wrk(), "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "10s"]
    pairs = [part for pair in headers.items() for part in pair]
    told = subprocess.run(
        [*command, "-s", str(_SCRIPT), url, "--", str(body), *pairs], capture_output=True, text=True, check=False
    )
    return figures_of(told.stdout, told.stderr)


def figures_of(told: str, complaint: str = "") -> Load:
    """The figures in what wrk and its script wrote.

    Raises:
        LoadError: there are none.
    """
    lines = [line.removeprefix(_MARK) for line in told.splitlines() if line.startswith(_MARK)]
    if not lines:
        raise LoadError(f"wrk measured nothing: {(complaint or told).strip():.300}")
    figures = json.loads(lines[-1])
    answered = figures["requests"] - figures["refused"]
    return Load(
        rate=answered * 1e6 / figures["microseconds"],
        p50_ms=figures["p50_us"] / 1e3,
        p99_ms=figures["p99_us"] / 1e3,
        failed=figures["refused"] + figures["broken"],
    )
