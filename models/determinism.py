"""The same numbers every time, and the settings of torch put back afterwards."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.utils import deterministic

_OMP_PAUSE_SOFT = 1

# A forked child knows of threads that only its parent has, and would wait for them for ever.
_forked = threading.Event()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked.set)


@contextmanager
def reproducible(device: torch.device) -> Iterator[None]:
    """Deterministic algorithms on the CPU, and denormal numbers flushed to zero, while the block runs.

    On other devices only the choice of algorithm is held still: torch refuses some kernels there altogether.
    """
    algorithms = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    fills = deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]  # a module that is a class
    flushes = _flushes_denormals()
    torch.use_deterministic_algorithms(device.type == "cpu" or algorithms, warn_only=warn_only)
    # Torch would also write NaN over each new tensor before it is computed, which is for debugging.
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    # Sigmoids that saturate make gradients so small that some CPUs compute with them a hundred times more
    # slowly.
    _flush_denormals(True)
    try:
        with torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled, benchmark=False, deterministic=True):
            yield
    finally:
        _flush_denormals(flushes)
        deterministic.fill_uninitialized_memory = fills  # type: ignore[attr-defined]
        torch.use_deterministic_algorithms(algorithms, warn_only=warn_only)


def _flush_denormals(flush: bool) -> None:
    """In this thread, and in those that share its work."""
    torch.set_flush_denormal(flush)
    _dismiss_helpers()


def _dismiss_helpers() -> None:
    """Let the threads that share this thread's work go; the next work that is shared makes new ones.

    Each thread has the setting of its own, and OpenMP's on Linux have it from when they were made: without this, what
    was shared out before training would decide which share of a product is flushed. Elsewhere OpenMP hands the setting
    on with the work.
    """
    if sys.platform == "linux" and not _forked.is_set():
        # Torch loads its OpenMP for all to see.
        pause = getattr(ctypes.CDLL(None), "omp_pause_resource_all", None)
        if pause is not None:
            pause(_OMP_PAUSE_SOFT)


def _flushes_denormals() -> bool:
    return bool((torch.tensor([1e-310], dtype=torch.float64) * 1.0).item() == 0)
