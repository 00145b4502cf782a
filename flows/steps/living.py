"""Signs of life of a run: a file below the home that its process holds and touches for as long as it lives.

On the machine where a run lives the kernel's lock tells at once that its process is gone. Elsewhere, or where the file
system has no locks, the touches tell. They are compared with what was seen before, never with a clock: one that is
moved kills nobody.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from service.release.home import Home

BEAT_SECONDS = 5
_KEPT_SECONDS = 7 * 24 * 3600
# The process whose runs these are: they end with it. Set by `flows.supervision.children`.
WORKER_VARIABLE = "MANIFOLD_WORKER_PROCESS"

_shown: dict[Path, int] = {}
_shown_lock = threading.Lock()


@dataclass(frozen=True)
class Sign:
    """What was seen of a run.

    Args:
        here: whether it was started on this machine.
        held: whether its process lives; None where the file system does not tell.
        beat: changes with each touch, in ns; of no meaning by itself.
    """

    here: bool
    held: bool | None
    beat: int


def show_life(home: Home, run: str) -> None:
    """Show from now on, until this process ends, that it lives and does the run `run`; again is well."""
    path = _file(home, run)
    with _shown_lock:
        if path in _shown:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        _forget_old(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        # Never closed: the kernel does it when the process has ended, however it ended.
        _shown[path] = descriptor
        with contextlib.suppress(OSError):
            # Somebody may be looking, for a moment.
            while not _lock(descriptor):
                time.sleep(0.01)
        os.write(descriptor, json.dumps({"host": socket.gethostname(), "process": os.getpid()}).encode())
    threading.Thread(target=_beat, args=(path,), name="signs-of-life", daemon=True).start()


def sign_of_life(home: Home, run: str) -> Sign | None:
    """What the run `run` shows; None where it has shown nothing."""
    path = _file(home, run)
    try:
        with path.open("rb+") as file:
            text = file.read()
            beat = os.fstat(file.fileno()).st_mtime_ns
            held = not _lock(file.fileno())
    except FileNotFoundError:
        return None
    except OSError:
        # The file system, or somebody else's file: only the touches tell.
        return Sign(here=False, held=None, beat=path.stat().st_mtime_ns)
    try:
        host = json.loads(text)["host"]
    except (ValueError, KeyError, TypeError):
        # Killed between its making and its content.
        host = socket.gethostname()
    return Sign(here=host == socket.gethostname(), held=held, beat=beat)


def end_with_worker() -> None:
    """End this process, hard, if the supervised worker that started it is gone: the next one takes up its work."""
    worker = os.environ.get(WORKER_VARIABLE)
    if worker is not None and not _process_lives(int(worker)):
        os.kill(os.getpid(), signal.SIGKILL)


def _beat(path: Path) -> None:
    while True:
        time.sleep(BEAT_SECONDS)
        end_with_worker()
        # A home that is full or away for a while must not end the run.
        with contextlib.suppress(OSError):
            os.utime(path)


def _process_lives(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _file(home: Home, run: str) -> Path:
    return home.root / "runs" / f"{run}.json"


def _forget_old(folder: Path) -> None:
    oldest = time.time() - _KEPT_SECONDS
    for path in folder.glob("*.json"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < oldest:
                path.unlink()


def _lock(descriptor: int) -> bool:
    """Whether the lock was free: it is this descriptor's then."""
    if sys.platform == "win32":
        raise OSError("no such locks")
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
