"""The same numbers every time, and the settings of torch put back afterwards."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from models.shared_settings import Wish, shared_settings

_OMP_PAUSE_SOFT = 1

# A forked child knows of threads that only its parent has, and would wait for them for ever.
_forked = threading.Event()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked.set)


@contextmanager
def reproducible(device: torch.device, *, tf32: bool = False) -> Iterator[None]:
    """Deterministic algorithms on the CPU, and denormal numbers flushed to zero, while the block runs.

    On other devices only the choice of algorithm is held still: torch refuses some kernels there altogether.

    Args:
        device: where the block computes.
        tf32: whether a GPU may round the factors of float32 products to TF32.
    """
    flushes = _flushes_denormals()
    # Sigmoids that saturate make gradients so small that some CPUs compute with them a hundred times more
    # slowly.
    _flush_denormals(True)
    try:
        with shared_settings(Wish(deterministic=device.type == "cpu", tf32=tf32)):
            yield
    finally:
        _flush_denormals(flushes)


@contextmanager
def exact_products() -> Iterator[None]:
    """Products of float32 numbers in float32, on a GPU too, while the block runs."""
    with shared_settings(Wish(deterministic=False, tf32=False)):
        yield


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
