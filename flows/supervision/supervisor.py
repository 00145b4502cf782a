"""One schedule's server, worker and watch, kept alive until it is stopped."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from functools import partial
from uuid import UUID

from flows.local_server import end_with_parent, start_server
from flows.schedule import pool_name
from flows.steps.living import WORKER_VARIABLE
from flows.steps.places import server_start_seconds
from flows.supervision.children import Child, Process
from flows.supervision.keeping import LOG_BYTES, state_file
from flows.supervision.watching import SERVER_TROUBLES, Watch
from service.release.atomic import write_atomically
from service.release.home import Home

_log = logging.getLogger(__name__)
LOOK_SECONDS = 5.0
_TICK_SECONDS = 0.5
# A server that does not answer for so long is started anew: its database may be stuck.
_MUTE_SECONDS = 90.0


class Supervisor:
    """Keeps server, worker and watch.

    Args:
        home: the schedule's.
        name: the schedule's.
        address: of Prefect's API.
        port: where the server of our own listens; None: the server is somebody else's.
        server: that server, started already.
    """

    def __init__(self, home: Home, name: str, address: str, port: int | None, server: Process | None) -> None:
        self._home, self._name, self._address = home, name, address
        self._server = None if port is None else Child("server", partial(self._start_server, port), running=server)
        self._worker = Child("worker", self._start_worker)
        self._answered = time.monotonic()
        self._looked = -LOOK_SECONDS
        self._unswept = True

    def run(self, deployment: UUID) -> None:
        """Keep all of it, until a signal raises an exception here; then end all of it."""
        watch = Watch(self._home, deployment)
        try:
            while True:
                self._step(watch)
                time.sleep(_TICK_SECONDS)
        finally:
            # A second signal shall not leave anything behind.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            self._worker.end(patience=20)
            # What was under way is taken up at the next start.
            self._look(watch, no_worker=True, stopped=True)
            if self._server is not None:
                self._server.end()
            state_file(self._home, self._name).unlink(missing_ok=True)
            _log.info("stopped")

    def _step(self, watch: Watch) -> None:
        if self._server is not None:
            self._keep_server(self._server)
        if self._worker.ended():
            self._unswept = True
        if time.monotonic() - self._looked >= LOOK_SECONDS or self._unswept:
            # Before a worker starts, it is known that none lives: what it had under way is dead, and of what came due
            # meanwhile the newest is left.
            seen = self._look(watch, no_worker=self._worker.number is None)
            self._unswept = self._unswept and not seen
        if not self._unswept and self._worker.start_if_due():
            self._write_state()

    def _keep_server(self, server: Child) -> None:
        silent = time.monotonic() - self._answered
        if server.number is not None and silent > _MUTE_SECONDS:
            _log.warning("server has not answered for %.0f s", silent)
            server.end()
            self._answered = time.monotonic()
        server.ended()
        if server.start_if_due():
            self._answered = time.monotonic()
            self._write_state()

    def _look(self, watch: Watch, *, no_worker: bool, stopped: bool = False) -> bool:
        """Whether the server could be asked."""
        self._looked = time.monotonic()
        try:
            watch.look(no_worker=no_worker, stopped=stopped)
        except SERVER_TROUBLES as error:
            _log.warning("server does not answer: %s", error)
            return False
        self._answered = time.monotonic()
        return True

    def _start_server(self, port: int) -> Process:
        return start_server(self._home.root, port, server_start_seconds())[0]

    def _start_worker(self) -> Process:
        log = self._home.root / "prefect" / f"worker-{self._name}.log"
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        # The shell becomes the worker, so that its own number is what its runs are given.
        script = f'export {WORKER_VARIABLE}=$$; exec "$0" -m prefect worker start --pool "$1" --type process --limit 1'
        with log.open("ab") as output:
            return subprocess.Popen(
                ["/bin/sh", "-c", script, sys.executable, pool_name(self._name)],
                env=os.environ | {"PREFECT_API_URL": self._address},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_in_the_worker,
            )

    def _write_state(self) -> None:
        state = {
            "process": os.getpid(),
            "server": self._server.number if self._server else None,
            "worker": self._worker.number,
            "address": self._address,
        }
        with contextlib.suppress(OSError):
            write_atomically(state_file(self._home, self._name), json.dumps(state).encode())


def _in_the_worker() -> None:
    # A worker that inherits an ignored SIGINT never ends on SIGTERM: it turns one into the other.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        end_with_parent()
