"""Real `bentoml serve` processes, which end with the test that started them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from service.release.home import Home

ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1


@dataclass
class Server:
    """A running `bentoml serve`."""

    url: str
    home: Home
    log: Path
    process: subprocess.Popen[bytes]

    def log_text(self) -> str:
        return self.log.read_text("utf-8", "replace")


@contextlib.contextmanager
def serving(folder: Path, home: Home, port: int | None = None, **settings: str) -> Iterator[Server]:
    """`bentoml serve` from the repository's root; the whole process group ends with the block."""
    port = port or free_port()
    log = folder / "server.log"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MANIFOLD_")},
        "MANIFOLD_HOME": str(home.root),
        "BENTOML_HOME": str(folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        **settings,
    }
    # A setting of "" takes the variable away.
    environment = {name: value for name, value in environment.items() if value}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "bentoml", "serve", "--host", "127.0.0.1", "--port", str(port)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
    try:
        yield Server(f"http://127.0.0.1:{port}", home, log, process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for_status(server: Server, path: str, status: int, seconds: float = _START_SECONDS) -> httpx.Response:
    """The first answer of that status; fails with the server's log where none comes."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            break
        with contextlib.suppress(httpx.TransportError):
            answer = httpx.get(server.url + path, timeout=5)
            if answer.status_code == status:
                return answer
        time.sleep(0.05)
    pytest.fail(f"no {status} from {path} within {seconds:g} s; the log:\n{server.log_text()}")


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
