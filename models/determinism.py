"""The same numbers every time, and the settings of torch put back afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def reproducible(device: torch.device) -> Iterator[None]:
    """Deterministic algorithms on the CPU, and denormal numbers flushed to zero, while the block runs.

    On other devices only the choice of algorithm is held still: torch refuses some kernels there altogether.
    """
    algorithms = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    flushes = _flushes_denormals()
    torch.use_deterministic_algorithms(device.type == "cpu" or algorithms, warn_only=warn_only)
    # Sigmoids that saturate make gradients so small that the CPU computes with them a hundred times more
    # slowly.
    torch.set_flush_denormal(True)
    try:
        with torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled, benchmark=False, deterministic=True):
            yield
    finally:
        torch.set_flush_denormal(flushes)
        torch.use_deterministic_algorithms(algorithms, warn_only=warn_only)


def _flushes_denormals() -> bool:
    return bool((torch.tensor([1e-310], dtype=torch.float64) * 1.0).item() == 0)
