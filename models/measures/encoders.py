"""How an encoder bends space, asked through its answers alone: saturation of units, contraction around rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Float64
from sklearn.metrics import pairwise_distances

from models.batches import AnyRows
from models.errors import ShapeError
from models.recipe_parts import Activation

# Of a sigmoid; tanh is 2 sigmoid(2a) - 1, so the same pre-activations up to the factor 2 give ±0.9.
_SATURATED_SIGMOID = 0.05
_SATURATED_TANH = 1 - 2 * _SATURATED_SIGMOID
_PAIRED_ROWS = 500


def saturated(activation: Activation, codes: Float[np.ndarray, "rows units"]) -> Bool[np.ndarray, "rows units"]:
    """Which code units hardly answer to their input, by the value of their code.

    Sigmoid: below 0.05 or above 0.95, where the slope is less than a fifth of its greatest. Tanh: beyond ±0.9, which
    is the same point of the same curve. ReLU: 0, where the slope is 0. Linear: never.

    Source: Rifai et al. 2011, table 1 (sigmoid).
    """
    match activation:
        case "sigmoid":
            flat = (codes < _SATURATED_SIGMOID) | (codes > 1 - _SATURATED_SIGMOID)
        case "tanh":
            flat = np.abs(codes) > _SATURATED_TANH
        case "relu":
            flat = codes <= 0
        case "linear":
            flat = np.zeros(codes.shape, bool)
    return np.asarray(flat, bool)


def saturation_per_row(activation: Activation, codes: Float[np.ndarray, "rows units"]) -> Float64[np.ndarray, " rows"]:
    """Share of each row's code units that are saturated, in [0, 1]; its mean is Rifai's SAT."""
    shares: Float64[np.ndarray, " rows"] = saturated(activation, codes).mean(1, dtype=np.float64)
    return shares


def dead_share(activation: Activation, codes: Float[np.ndarray, "rows units"]) -> float:
    """Share of code units that are saturated on every one of the rows: a ReLU that is never on, in [0, 1]."""
    return float(saturated(activation, codes).all(0).mean())


def contraction_ratios(
    encode: Callable[[AnyRows], Float[np.ndarray, "batch code"]],
    rows: Float[np.ndarray, "rows ..."],
    radii: Float[np.ndarray, " radii"],
    seed: int = 0,
    scale: float | Float[np.ndarray, "..."] = 1.0,
) -> Float64[np.ndarray, "rows radii"]:
    """Distance of two codes over the distance of their inputs, at given distances around rows.

    Around each row one point is drawn on each sphere, in a direction that is uniform and the same for all radii. The
    ratio is divided by what two different rows have of it on average: multiplying all codes by a number changes
    nothing, and shrinking them all is no contraction. Below 1 is contracted more than the data as a whole; a linear
    encoder has the same at each radius.

    Args:
        encode: from rows to codes.
        rows: at least 2 different ones, in the units that `encode` takes.
        radii: positive, in scaled units.
        seed: for the directions.
        scale: what one scaled unit is in the rows' units; one number, or one a feature, in the shape of a row.

    Returns:
        One ratio a row and radius.

    Raises:
        ShapeError: fewer than 2 rows, or all their codes are the same.

    Source: Rifai et al. 2011, section 5, "contraction curves"; the normalisation is ours.
    """
    if len(rows) < 2:
        raise ShapeError(f"{len(rows)} rows came; contraction ratios expect at least 2")
    codes = encode(rows).astype(np.float64)
    usual = _mean_distance(codes) / mean_distance(rows, scale)
    if not usual > 0:
        raise ShapeError("all rows or all codes came out the same; contraction ratios expect different ones")
    direction = np.random.default_rng(seed).standard_normal(rows.shape)
    length = np.sqrt(np.square(direction).reshape(len(rows), -1).sum(1))
    direction /= length.reshape(-1, *(1,) * (rows.ndim - 1))
    ratios = np.empty((len(rows), len(radii)))
    for place, radius in enumerate(radii):
        moved = encode((rows + radius * direction * scale).astype(np.float32))
        ratios[:, place] = np.sqrt(np.square(moved - codes).sum(1)) / radius / usual
    return ratios


def mean_distance(rows: Float[np.ndarray, "rows ..."], scale: float | Float[np.ndarray, "..."] = 1.0) -> float:
    """Mean Euclidean distance of two different rows, in scaled units, from the first 500 rows."""
    return _mean_distance((rows[:_PAIRED_ROWS] / scale).reshape(len(rows[:_PAIRED_ROWS]), -1))


def _mean_distance(points: Float[np.ndarray, "rows d"]) -> float:
    some = points[:_PAIRED_ROWS].astype(np.float64)
    return float(pairwise_distances(some).sum()) / (len(some) * (len(some) - 1))
