"""A real Prefect server for those who have none: started beside a run and ended with it; its history stays."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
from filelock import FileLock

from flows.steps.errors import FlowError
from flows.steps.places import server_start_seconds

_LOGS_KEPT = 10
_PR_SET_PDEATHSIG = 1


class ServerError(FlowError):
    """The Prefect server did not start; the message names its log."""


def set_environment(home: Path) -> None:
    """Set what Prefect and torch read when they are imported; what the user has set stays.

    Prefect's folder lies below `home`, it sends no analytics, and leaves the terminal to us.
    """
    defaults = {
        # Threads that spin at each barrier make training some ten times slower as soon as anything else runs.
        "OMP_WAIT_POLICY": "passive",
        "PREFECT_HOME": str(home / "prefect"),
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # Our own progress bars are on the terminal; Prefect's page keeps the whole log.
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)


def prefect_server_until_exit(home: Path, *, port: int | None = None) -> str:
    """The address of a Prefect API that answers as long as this process lives; as `prefect_server` otherwise.

    Prefect sends its last log lines and events while the interpreter ends: a server that ended with the flow would
    keep it waiting.
    """
    stack = contextlib.ExitStack()
    address = stack.enter_context(prefect_server(home, port=port))
    # Threads are joined, and Prefect's queues drained, before these are called.
    atexit.register(stack.close)
    return address


@contextmanager
def prefect_server(home: Path, *, port: int | None = None) -> Iterator[str]:
    """Yield the address of a Prefect API: that of `PREFECT_API_URL` where it is set, else of one started here.

    Call before prefect is imported: it reads its settings once. Servers of one home start one after another: each
    migrates the database that they share, and two that do so at once both fail.

    Args:
        home: its database (unless `PREFECT_HOME` says otherwise) and its log, one a start, lie in `home/prefect`.
        port: where a server of our own listens on loopback; by default a free port.

    Raises:
        ServerError: it did not answer in time, or ended.
        SettingError: `MANIFOLD_SERVER_START_SECONDS` is no number of seconds.
    """
    if address := os.environ.get("PREFECT_API_URL"):
        yield address
        return
    process, address = start_server(home, port, server_start_seconds())
    try:
        os.environ["PREFECT_API_URL"] = address
        yield address
    finally:
        os.environ.pop("PREFECT_API_URL", None)
        end_process(process)


def start_server(home: Path, port: int | None, patience: float) -> tuple[subprocess.Popen[bytes], str]:
    """A server that answers, and the address of its API.

    Args:
        home: as for `prefect_server`.
        port: likewise.
        patience: seconds for it to answer.

    Raises:
        ServerError: likewise.
    """
    folder = home / "prefect"
    database = Path(os.environ.get("PREFECT_HOME") or folder)
    for needed in (folder, database):
        needed.mkdir(parents=True, exist_ok=True)
    # Each holds it for as long as its own start may take, or less if it is killed: nobody waits for ever.
    with FileLock(database / "server.lock"):
        port = port or free_port()
        address = f"http://127.0.0.1:{port}/api"
        log = _new_log(folder)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
                # Otherwise its page asks the default port, whatever the server listens on.
                env=_without_its_own_address() | {"PREFECT_SERVER_UI_API_URL": address},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=end_with_parent if sys.platform == "linux" else None,
            )
        try:
            _wait_until_healthy(process, address, log, patience)
        except BaseException:
            end_process(process)
            raise
    return process, address


def _new_log(folder: Path) -> Path:
    """Where this start writes, by its time and process; of earlier ones only those last written to are kept."""
    earlier = sorted(folder.glob("server-*.log"), key=lambda path: path.stat().st_mtime)
    for path in earlier[: -_LOGS_KEPT + 1]:
        path.unlink(missing_ok=True)
    return folder / f"server-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{os.getpid()}.log"


def _wait_until_healthy(process: subprocess.Popen[bytes], address: str, log: Path, patience: float) -> None:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServerError(f"the Prefect server ended with status {process.returncode}; its log is {log}")
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(f"{address}/health", timeout=2).raise_for_status()
            return
        time.sleep(0.2)
    raise ServerError(
        f"the Prefect server did not answer at {address} in {patience:g} s; its log is {log}. A busy machine may need "
        f"longer: set MANIFOLD_SERVER_START_SECONDS, now {patience:g}"
    )


def end_process(process: subprocess.Popen[bytes], *, patience: float = 10) -> None:
    """End a process that leads a group of its own, and that group: kindly first.

    Args:
        process: it may have ended already.
        patience: seconds for it to end by itself.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(patience)
    # What it started may be left, even where it ended itself.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _without_its_own_address() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}


def end_with_parent() -> None:
    """In the child, before it starts: be killed with the parent, so that a hard-killed run leaves no server."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
