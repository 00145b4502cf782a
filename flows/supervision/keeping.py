"""`manifold schedule` from its start to its stop. Prefect is imported only once its server's address is known."""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from logging.handlers import RotatingFileHandler
from pathlib import Path

import httpx
from filelock import FileLock, Timeout

from flows.local_server import ServerError, end_process, start_server
from flows.steps.errors import FlowError
from flows.steps.places import server_start_seconds
from flows.terminal import console
from service.release.home import Home

LOG_BYTES = 5_000_000


class ScheduleRunsError(FlowError):
    """The schedule is kept by another process already."""


def keep_schedule(
    home: Home,
    name: str,
    parameters: dict[str, object],
    *,
    cron: str | None,
    interval: timedelta | None,
    port: int,
) -> None:
    """Keep a schedule's server, worker and runs going until a signal comes; it ends by `SystemExit` then.

    The server is that of `PREFECT_API_URL` where it is set, else one of our own, on SQLite.

    Args:
        home: where releases and Prefect's database lie.
        name: of the deployment.
        parameters: the flow's.
        cron: when; or
        interval: how often.
        port: of a server of our own, on loopback.

    Raises:
        ScheduleError: `cron` is not a cron expression.
        ScheduleRunsError: another process keeps this schedule.
        ServerError: no server answers, or the port is taken.
    """
    theirs = os.environ.get("PREFECT_API_URL")
    address = theirs or f"http://127.0.0.1:{port}/api"
    with _stopped_by_signals(), _only_keeper(home, name):
        os.environ["PREFECT_API_URL"] = address
        from flows.schedule import Timing, renew_deployment
        from flows.supervision.supervisor import Supervisor

        timing = Timing(cron, interval)
        timing.schedule()
        if theirs:
            _wait_for(address, server_start_seconds())
            server = None
        else:
            _refuse_taken(port)
            server = start_server(home.root, port, server_start_seconds())[0]
        try:
            deployment = renew_deployment(name, timing, parameters)
            console.print(f"Prefect's page: {address.removesuffix('/api')}")
            console.print(f"log: {_folder(home) / f'schedule-{name}.log'}", style="dim")
            Supervisor(home, name, address, None if theirs else port, server).run(deployment)
        finally:
            if server is not None:
                end_process(server)


def state_file(home: Home, name: str) -> Path:
    """Names the processes of a schedule while it is kept."""
    return _folder(home) / f"schedule-{name}.json"


@contextmanager
def _only_keeper(home: Home, name: str) -> Iterator[None]:
    """Be the one process that keeps this schedule, and log to its file."""
    folder = _folder(home)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / f"schedule-{name}.lock", timeout=0), _logged(folder / f"schedule-{name}.log"):
            yield
    except Timeout as error:
        raise ScheduleRunsError(
            f"the schedule {name!r} of {home.root} is kept by another process: stop that, or give another --name"
        ) from error


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """SIGTERM, and SIGINT even where a shell ignores it for us, end the block in good order."""

    def stop(_number: int, _frame: object) -> None:
        raise SystemExit(0)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    handler = RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=2)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("flows")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


def _wait_for(address: str, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            httpx.get(f"{address}/health", timeout=5).raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if time.monotonic() >= deadline:
                raise ServerError(
                    f"no Prefect server answers at {address}, which is what PREFECT_API_URL says: {error}"
                ) from error
            time.sleep(1)
        else:
            return


def _refuse_taken(port: int) -> None:
    # Else somebody else's server on this port would be taken for ours.
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ServerError(
                f"port {port} is taken: give another --port, or set PREFECT_API_URL to the server that is there"
            ) from error


def _folder(home: Home) -> Path:
    return home.root / "prefect"
