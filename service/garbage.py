"""How often Python looks for garbage that refers to itself: seldom, and never among what was there at the start."""

from __future__ import annotations

import gc
from typing import Final

# New objects before the young are looked at, and how many such looks before the older are, and all. A request makes
# some hundreds of objects, and next to none that refer to themselves: Python's 700 look several times a request.
_THRESHOLDS: Final = (20_000, 20, 100)


def keep_out_of_collections() -> None:
    """Set aside all that is alive: imported modules, which stay for the process's life.

    Looking at them again and again took a fifth of a small request's time, and made p99 five times p50.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
