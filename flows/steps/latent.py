"""What a release states about its codes and its errors: statistics, calibration, a 2-D map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float32, Float64

from models.measures.reconstruction import squared_error_per_row
from service.release.manifest import Calibration, Latent

_QUANTILES = 201


def latent_statistics(codes: Float32[np.ndarray, "rows code"]) -> Latent:
    """Mean, standard deviation (divided by n), minimum and maximum of each code dimension."""
    exact = codes.astype(np.float64)
    return Latent(
        mean=tuple(exact.mean(0).tolist()),
        standard_deviation=tuple(exact.std(0).tolist()),
        minimum=tuple(exact.min(0).tolist()),
        maximum=tuple(exact.max(0).tolist()),
    )


def squared_errors(
    rows: Float32[np.ndarray, "rows ..."], rebuilt: Float32[np.ndarray, "rows ..."], scale: Sequence[float]
) -> Float64[np.ndarray, "rows"]:
    """Squared error of each row, summed over its features.

    Args:
        rows: in the data's own units.
        rebuilt: likewise.
        scale: what one unit of error is, as a manifest has it, one number or one a feature: with 255, pixels count
            from 0 to 1.

    Raises:
        ShapeError: the shapes differ.
    """
    unit = np.asarray(scale, np.float64)
    return squared_error_per_row(rows, rebuilt, unit.reshape(() if unit.size == 1 else rows.shape[1:]))


def calibrate(errors: Float64[np.ndarray, "rows"], distances: Float64[np.ndarray, "rows"], split: str) -> Calibration:
    """Quantiles of reconstruction error and latent distance, to turn either into a p-value later."""
    probabilities = np.linspace(0, 1, _QUANTILES)
    return Calibration(
        split=split,
        rows=len(errors),
        reconstruction_error=tuple(np.quantile(errors, probabilities).tolist()),
        latent_distance=tuple(np.quantile(distances, probabilities).tolist()),
    )


def planar_map(
    codes: Float32[np.ndarray, "rows code"],
) -> tuple[Float32[np.ndarray, "rows 2"], Literal["code", "pca"]]:
    """2-D coordinates of codes: the code itself where it has at most two dimensions, else its principal plane."""
    if codes.shape[1] <= 2:
        padded = np.zeros((len(codes), 2), np.float32)
        padded[:, : codes.shape[1]] = codes
        return padded, "code"
    centred = codes.astype(np.float64) - codes.mean(0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    # The sign of a singular vector is arbitrary; this makes the map the same everywhere.
    signs = np.sign(directions[np.arange(2), np.abs(directions[:2]).argmax(1)])
    return (centred @ (directions[:2] * signs[:, None]).T).astype(np.float32), "pca"
