"""How far drawn rows can be trusted: figures beside each of them."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from service.runtime import Floats, Runtime
from service.sampling import Ask, Drawn
from service.scoring import squared_errors

# Numbers of the drawn rows that are judged at a time: bounds how long one ask for the nearest lasts, and the memory.
_CHUNK_NUMBERS = 2**20


class Honesty(NamedTuple):
    """One number a row; None where the release keeps nothing to compare with.

    density_percentile: the share of the training codes that are less dense than its code, in percent.
    round_trip_error: x -> z -> x: squared error summed over features, scaled units.
    nearest_distance: Euclidean distance to the nearest reference row, scaled units.
    reference_rows: how many training rows it is the nearest of.
    """

    density_percentile: npt.NDArray[np.float64] | None
    round_trip_error: npt.NDArray[np.float64]
    nearest_distance: npt.NDArray[np.float64] | None
    reference_rows: int

    def as_fields(self) -> dict[str, Any]:
        """By name, for JSON."""
        return self._asdict()


def judge(runtime: Runtime, drawn: Drawn) -> Generator[Ask, Floats, Honesty]:
    """The figures of drawn rows, as a chain that asks, a few rows at a time, for what takes long."""
    x, z = drawn
    scale = runtime.manifest.input.scale
    error, distance = np.empty(len(x)), np.empty(len(x))
    chunk = max(1, _CHUNK_NUMBERS // x[0].size)
    for start in range(0, len(x), chunk):
        place = slice(start, start + chunk)
        codes = yield Ask("encode", x[place])
        rebuilt = yield Ask("decode", codes)
        error[place] = squared_errors(x[place], rebuilt, scale)
        if runtime.reference is not None:
            distance[place] = yield Ask("nearest", x[place])
    return Honesty(
        density_percentile=_percentile(runtime, z),
        round_trip_error=error,
        nearest_distance=None if runtime.reference is None else distance,
        reference_rows=0 if runtime.reference is None else len(runtime.reference),
    )


def _percentile(runtime: Runtime, z: Floats) -> npt.NDArray[np.float64] | None:
    sampling = runtime.manifest.sampling
    if sampling is None:
        return None
    quantiles = np.asarray(sampling.log_density)
    share: npt.NDArray[np.float64] = np.interp(
        runtime.density.log_density(z), quantiles, np.linspace(0, 100, len(quantiles))
    )
    return share
