"""Server processes: started, waited for, weighed and ended; each in a process group of its own."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

_READY_SECONDS = 90.0
_PR_SET_PDEATHSIG = 1
_WORKER = "_bentoml_impl.worker.service"


class StartError(Exception):
    """A server did not become ready; the message ends with the last of its log."""


@dataclass(frozen=True)
class Server:
    """A server that is ready.

    Attributes:
        url: without a slash at its end.
        process: the one that was started; others may lie below it.
        ready_seconds: from its start to the first good answer on its health route.
    """

    url: str
    process: subprocess.Popen[bytes]
    ready_seconds: float

    def proportional_mb(self) -> float:
        """Proportional memory (PSS of /proc/*/smaps_rollup) of all its processes, MiB."""
        return sum(_proportional(member) for member in [self.process.pid, *self._children()]) / 1024

    def workers(self) -> dict[int, float]:
        """The processes of BentoML's that answer, and the proportional memory of each, MiB."""
        lines = {member: _command_line(member) for member in self._children()}
        found = [member for member, line in lines.items() if any(_WORKER in part for part in line)]
        return {member: _proportional(member) / 1024 for member in found}

    def _children(self) -> list[int]:
        return [member.pid for member in psutil.Process(self.process.pid).children(recursive=True)]


@contextlib.contextmanager
def serving(
    command: Sequence[str | Path], environment: Mapping[str, str], *, port: int, health: str, log: Path, folder: Path
) -> Iterator[Server]:
    """Start a server and wait until it is ready; it ends with the block.

    Raises:
        StartError: it ended, or was not ready in time.
    """
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            env=os.environ | environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
    try:
        _wait(process, url + health, started, log)
        yield Server(url, process, time.perf_counter() - started)
    finally:
        _end(process)


def free_port() -> int:
    """A port that nobody listens on, and two free ones above it: some servers take three."""
    while True:
        with contextlib.ExitStack() as probes:
            first = probes.enter_context(socket.socket())
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                for above in (1, 2):
                    probes.enter_context(socket.socket()).bind(("127.0.0.1", port + above))
            except (OSError, OverflowError):
                continue
            return port


def _wait(process: subprocess.Popen[bytes], url: str, started: float, log: Path) -> None:
    while time.perf_counter() - started < _READY_SECONDS:
        if process.poll() is not None:
            break
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, timeout=5).status_code == 200:
                return
        time.sleep(0.01)
    told = log.read_text("utf-8", "replace").strip()[-400:]
    raise StartError(f"not ready: {url}; the end of its log: {told}")


def _command_line(process: int) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return psutil.Process(process).cmdline()
    return []


def _proportional(process: int) -> int:
    """KiB; 0 where the process has ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text("ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
    # Whoever is left of the group, after its leader.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
