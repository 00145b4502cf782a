"""One retraining of a home at a time, whoever starts it: a schedule, another schedule, a person."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from filelock import FileLock, Timeout

from flows.steps.errors import FlowError
from service.release.atomic import write_atomically
from service.release.home import Home


class AnotherRetrainingError(FlowError):
    """The home is being retrained by somebody else; the message says by whom."""


@contextmanager
def turn(home: Home, who: str, *, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the home's turn to be retrained until the block ends, or the process, however it ends.

    Args:
        home: what is retrained.
        who: named to others meanwhile.
        on_wait: told who has the turn before this waits for it; without, this does not wait.

    Raises:
        AnotherRetrainingError: somebody else has the turn, and `on_wait` is None.
    """
    home.root.mkdir(parents=True, exist_ok=True)
    # The kernel's lock: a process that is gone holds none.
    lock = FileLock(home.root / "retraining.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        holder = _holder(home)
        if on_wait is None:
            raise AnotherRetrainingError(f"another retraining of {home.root} runs: {holder}") from error
        on_wait(holder)
        lock.acquire()
    try:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        described = {"who": who, "process": os.getpid(), "host": socket.gethostname(), "since": since}
        write_atomically(home.root / "retraining.json", json.dumps(described).encode())
        yield
    finally:
        lock.release()


def _holder(home: Home) -> str:
    try:
        told = json.loads((home.root / "retraining.json").read_bytes())
        return f"{told['who']}, process {told['process']} on {told['host']}, since {told['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "somebody who has not told yet who it is"
