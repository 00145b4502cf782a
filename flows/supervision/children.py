"""A process that is started again whenever it ends, sooner at first than later, and never outlives this one."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import time
from collections.abc import Callable

from flows.local_server import end_process

_log = logging.getLogger(__name__)
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
# Up for so long, what it died of before is forgotten.
_SETTLED_SECONDS = 120.0

Process = subprocess.Popen[bytes]


class Child:
    """One kept process.

    Args:
        name: for the log.
        start: starts it as the leader of a process group; it may raise, and is called again later.
        running: it, where it has been started already.
        clock: seconds that only ever grow.
    """

    def __init__(
        self,
        name: str,
        start: Callable[[], Process],
        *,
        running: Process | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._start = start
        self._clock = clock
        self._process = running
        self._started = clock()
        self._pause = _FIRST_PAUSE
        self._not_before = 0.0

    @property
    def number(self) -> int | None:
        """The process's number while it is thought to live."""
        return None if self._process is None else self._process.pid

    def ended(self) -> bool:
        """Whether it has ended since it was started: told once, and everything of it is gone then."""
        if self._process is None or self._process.poll() is None:
            return False
        _log.warning("%s ended with status %s", self.name, self._process.returncode)
        self.end()
        if self._clock() - self._started > _SETTLED_SECONDS:
            self._pause = _FIRST_PAUSE
        self._wait_longer()
        return True

    def start_if_due(self) -> bool:
        """Start it unless it lives or its pause lasts; whether it was started now."""
        if self._process is not None or self._clock() < self._not_before:
            return False
        try:
            self._process = self._start()
        except Exception as error:  # a full disk, a port that is taken, a server that does not answer: later, perhaps
            _log.error("%s did not start: %s", self.name, error)
            self._wait_longer()
            return False
        self._started = self._clock()
        _log.info("%s started, process %s", self.name, self._process.pid)
        return True

    def end(self, *, patience: float = 10.0) -> None:
        """End it and its process group, kindly first.

        Args:
            patience: seconds for it to end by itself.
        """
        if self._process is not None:
            with contextlib.suppress(OSError):
                end_process(self._process, patience=patience)
            self._process = None

    def _wait_longer(self) -> None:
        self._not_before = self._clock() + self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
