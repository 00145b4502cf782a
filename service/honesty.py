"""How far drawn rows can be trusted: figures beside each of them."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from service.runtime import Floats, Runtime
from service.sampling import Ask, Drawn

# Numbers of the reference that are compared at a time: bounds the memory that large images take.
_CHUNK_NUMBERS = 2**22


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
    """The figures of drawn rows, as a chain that asks for the round trip to be computed."""
    x, z = drawn
    codes = yield Ask("encode", x)
    rebuilt = yield Ask("decode", codes)
    scale = np.asarray(runtime.manifest.input.scale)
    error = np.square((_flat(rebuilt) - _flat(x)) / scale).sum(1)
    return Honesty(
        density_percentile=_percentile(runtime, z),
        round_trip_error=error,
        nearest_distance=None if runtime.reference is None else nearest(x, runtime.reference, scale),
        reference_rows=0 if runtime.reference is None else len(runtime.reference),
    )


def nearest(x: Floats, reference: npt.NDArray[Any], scale: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The distance of each row to the nearest of the reference, in scaled units.

    Args:
        x: (n, *shape), in the data's own units.
        reference: (m, *shape), likewise, numbers of any type; may be memory-mapped.
        scale: what one unit is: one number, or one a feature.
    """
    rows = (_flat(x) / scale).astype(np.float32)
    closest, found = np.full(len(x), np.inf), np.zeros(len(x), np.int64)
    chunk = max(1, _CHUNK_NUMBERS // rows.shape[1])
    for start in range(0, len(reference), chunk):
        known = (_flat(reference[start : start + chunk]) / scale).astype(np.float32)
        # Without |x|², which is the same for all.
        squares = np.square(known).sum(1) - 2 * (rows @ known.T)
        best = squares.argmin(1)
        least = squares[np.arange(len(x)), best]
        found = np.where(least < closest, start + best, found)
        closest = np.minimum(least, closest)
    # Once more from the difference itself: the products lose what is small.
    difference = (_flat(x) - _flat(reference[found])) / scale
    distance: npt.NDArray[np.float64] = np.sqrt(np.square(difference).sum(1))
    return distance


def _percentile(runtime: Runtime, z: Floats) -> npt.NDArray[np.float64] | None:
    sampling = runtime.manifest.sampling
    if sampling is None:
        return None
    quantiles = np.asarray(sampling.log_density)
    share: npt.NDArray[np.float64] = np.interp(
        runtime.density.log_density(z), quantiles, np.linspace(0, 100, len(quantiles))
    )
    return share


def _flat(rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    flat: npt.NDArray[np.float64] = rows.reshape(len(rows), -1).astype(np.float64)
    return flat
