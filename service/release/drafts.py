"""What is being written beside its place: held by a lock while its writer lives, so that a dead one's is known.

The lock is the kernel's on the draft itself: it goes with its process however that ends, holds between containers that
share a folder of one machine, where process numbers say nothing, and leaves no file behind. Where a file system has
no such locks, nothing is held, and nothing is removed as abandoned. Machines that share a folder must see each other's
locks (NFS does, unless it is mounted with `local_lock`), or the draft of one is abandoned to the other.
"""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def draft_of(final: Path, make: Callable[[Path], None]) -> Iterator[Path]:
    """A new file or folder beside `final`, held until the block ends; what becomes of it is the caller's.

    Args:
        final: what it is to become.
        make: makes an empty file or folder at a path.

    Raises:
        OSError: it cannot be made.
    """
    while True:
        draft = final.with_name(f".{final.name}.{os.getpid()}.{uuid.uuid4().hex}")
        make(draft)
        with contextlib.ExitStack() as held:
            with contextlib.suppress(OSError):
                held.enter_context(_lock(draft, wait=True))
            # Between its making and its lock somebody may have taken it for abandoned.
            if draft.exists():
                yield draft
                return


def remove_abandoned(final: Path) -> list[str]:
    """Remove the drafts of `final`, and of files named after it, whose writers are dead; their names."""
    removed = []
    for draft in final.parent.glob(f".{glob.escape(final.name)}.*"):
        # Held by a living writer, finished just now, or on a file system without locks.
        with contextlib.suppress(OSError), _lock(draft, wait=False):
            shutil.rmtree(draft) if draft.is_dir() else draft.unlink()
            removed.append(draft.name)
    return removed


def is_held(draft: Path) -> bool:
    """Whether a living process is writing it."""
    try:
        with _lock(draft, wait=False):
            return False
    except BlockingIOError:
        return True
    except OSError:
        return False


@contextmanager
def _lock(path: Path, *, wait: bool) -> Iterator[None]:
    if sys.platform == "win32":
        raise OSError("no such locks")
    import fcntl

    descriptor = os.open(path, os.O_NOFOLLOW | (os.O_RDONLY if path.is_dir() else os.O_RDWR))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)
