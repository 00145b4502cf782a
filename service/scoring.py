"""How usual a row is: its reconstruction error and its latent distance, each beside what unseen rows had.

Neither goes without the other: an autoencoder can rebuild far-off points perfectly (arXiv 2501.13864).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from service.release.manifest import Calibration
from service.runtime import Floats, Runtime

Doubles = npt.NDArray[np.float64]

# Numbers of the rows that are compared as float64 at a time: 8 MB.
_CHUNK_NUMBERS = 2**20
_ROUNDING = 2.0**-20


class Scores(NamedTuple):
    """Four numbers a row, (n,) float32.

    reconstruction_error: x -> z -> x: squared error summed over features, scaled units.
    reconstruction_p: the share of unseen rows that are rebuilt as badly; calibrated, above 0.
    latent_distance: Mahalanobis distance of its code to the training codes' mean, in their covariance.
    latent_p: the share of unseen rows whose codes are as far.
    """

    reconstruction_error: Floats
    reconstruction_p: Floats
    latent_distance: Floats
    latent_p: Floats


def measure(runtime: Runtime, x: Floats) -> Floats:
    """Rows (n, *shape), in the data's own units -> reconstruction error and latent distance, (n, 2).

    Not finite where the network's answer is not; what float32 cannot hold is its largest number.

    Raises:
        ValueError: the release does not keep the spread of its codes.
        ModelRunError: ONNX Runtime failed.
    """
    return measure_codes(runtime, x)[:, :2]


def measure_codes(runtime: Runtime, x: Floats) -> Floats:
    """What `measure` gives and, behind it, the codes that it was measured by, (n, 2 + code).

    Raises:
        ValueError, ModelRunError: as `measure`.
    """
    if runtime.spread is None:
        raise ValueError(f"release {runtime.manifest.version} does not keep the spread of its codes")
    measured = np.empty((len(x), 2 + runtime.manifest.code.size))
    chunk = max(1, _CHUNK_NUMBERS // max(1, x[0].size))
    for start in range(0, len(x), chunk):
        place = slice(start, start + chunk)
        codes = runtime.encode(x[place])
        measured[place, 0] = squared_errors(x[place], runtime.decode(codes), runtime.manifest.input.scale)
        measured[place, 1] = runtime.spread.distances(codes)
        measured[place, 2:] = codes
    largest = np.where(np.isfinite(measured), np.minimum(measured, np.finfo(np.float32).max), np.nan)
    return largest.astype(np.float32)


def squared_errors(x: Floats, rebuilt: Floats, scale: tuple[float, ...]) -> Doubles:
    """Squared error of each row (n, *shape), summed over features; `scale` is one unit, as a manifest has it."""
    errors: Doubles = np.square((_flat(rebuilt) - _flat(x)) / np.asarray(scale)).sum(1)
    return errors


def judge_scores(measured: Floats, calibration: Calibration) -> Scores:
    """The scores of what `measure` gives."""
    error, distance = np.ascontiguousarray(measured[:, 0]), np.ascontiguousarray(measured[:, 1])
    return Scores(
        error,
        p_values(error, calibration.reconstruction_error, calibration.rows),
        distance,
        p_values(distance, calibration.latent_distance, calibration.rows),
    )


def p_values(values: Floats, quantiles: tuple[float, ...], rows: int) -> Floats:
    """How many of the calibration's rows, and the row itself, have a value as large; as a share.

    Conformal: of rows like the calibration's, at most a share p is given p or less. Between two quantiles the values
    are taken to be evenly spread, and the least p is 1 / (rows + 1).

    Args:
        values: (n,), finite.
        quantiles: of the calibration's values, at evenly spaced probabilities from 0 to 1.
        rows: how many they are of.
    """
    known = np.asarray(quantiles)
    # Float32 and other devices round: a row that is as bad as a known one must not seem worse.
    values = values * (1 - _ROUNDING)
    # quantiles[above - 1] < value <= quantiles[above]: of equal quantiles the first, so that equal rows count.
    above = np.searchsorted(known, values, side="left").clip(1, len(known) - 1)
    low, high = known[above - 1], known[above]
    # Where the first two are equal there is nothing between them.
    step = np.divide(values - low, high - low, out=np.zeros(len(values)), where=high > low)
    below = (above - 1 + step.clip(0, 1)) / (len(known) - 1)
    # Beyond the largest of all no row is as large, also where the largest ones are equal.
    below = np.where(values > known[-1], 1.0, below)
    return ((1 + rows * (1 - below)) / (rows + 1)).astype(np.float32)


def _flat(rows: npt.NDArray[Any]) -> Doubles:
    flat: Doubles = rows.reshape(len(rows), -1).astype(np.float64)
    return flat
