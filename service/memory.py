"""Memory that is free within the process, given back to the system.

The C library keeps what was freed, to use it again: after one request of 4,096 images a worker would keep for ever
what that one needed, and after each swap of releases what the old one was read into.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from pathlib import Path

_MIB = 2**20
# So much more than after the last time is worth the few milliseconds for which all allocation waits.
_WORTH_BYTES = 16 * _MIB
# It counts as quiet where no more than this was taken or freed since the last look.
_QUIET_BYTES = _MIB


def give_back_memory() -> None:
    """Give back what is garbage, and what is free where the C library is glibc."""
    # Seldom looked for by itself (`service.garbage`): a release that was replaced would stay until then.
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def resident_bytes() -> int:
    """What this process has in memory; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


class IdleMemory:
    """Gives memory back once the process has grown by 16 MiB and then been quiet between two looks."""

    def __init__(self) -> None:
        self._after = resident_bytes()
        self._seen = 0

    def look(self) -> bool:
        """Look once; whether anything was given back."""
        now, before = resident_bytes(), self._seen
        self._seen = now
        if now - self._after < _WORTH_BYTES or abs(now - before) > _QUIET_BYTES:
            return False
        give_back_memory()
        # What is still there is in use: only what comes on top is looked at the next time.
        self._after = self._seen = resident_bytes()
        return True
