"""Time by number of rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from benchmarks.harness import Row, interleave
from benchmarks.training.subjects import layer_epoch, mnist, named

_SIZES = (6_400, 19_200, 57_600)
_ROUNDS = 5


def scaling_rows(device: torch.device) -> Iterator[Row]:
    """`rows_slope`: the exponent k of time = c · rows^k, by least squares over three sizes in logarithms."""
    sides = {str(size): layer_epoch("ae", mnist(size), 128, device) for size in _SIZES}
    samples = interleave(sides, rounds=_ROUNDS)
    seconds = [samples[str(size)].median for size in _SIZES]
    slope, _ = np.polyfit(np.log(_SIZES), np.log(seconds), 1)
    yield Row(
        named("rows_slope", device),
        float(slope),
        "exponent",
        1.05,
        "lower",
        seed=0,
        sides={name: side.as_side() for name, side in samples.items()},
    )
