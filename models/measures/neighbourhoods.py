"""Whether rows that are near each other stay so in the code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import cdist
from sklearn.manifold import trustworthiness
from threadpoolctl import threadpool_limits

from models.errors import ShapeError
from models.measures.intervals import Interval, jackknife_interval

NEIGHBOURS = 10


@dataclass(frozen=True)
class Neighbourhoods:
    """How well a code keeps neighbourhoods of `neighbours` rows; both figures in [0, 1], 1 is best.

    trustworthiness: near in the code means near in the data. continuity: near in the data means near in the code.
    The intervals are None for fewer than 16 rows.
    """

    trustworthiness: float
    continuity: float
    neighbours: int
    trustworthiness_interval: Interval | None
    continuity_interval: Interval | None


def neighbourhood_preservation(
    inputs: Float[np.ndarray, "rows x"], codes: Float[np.ndarray, "rows d"], neighbours: int = NEIGHBOURS, seed: int = 0
) -> Neighbourhoods:
    """Trustworthiness and continuity (the same with the spaces exchanged), Euclidean distances in both.

    Time and memory grow with the square of the rows: give a sample of some 1,000.

    Args:
        inputs: rows, flattened, in units in which their distances mean something.
        codes: of the same rows.
        neighbours: fewer are taken where there are less than three times as many rows.
        seed: for the jackknife's groups.

    Raises:
        ShapeError: fewer than 4 rows.

    Source: Venna & Kaski 2001, by scikit-learn.
    """
    rows = len(inputs)
    if rows < 4:
        raise ShapeError(f"{rows} rows came; neighbourhoods expect at least 4")
    near = max(1, min(neighbours, rows // 3))

    # The jackknife leaves out an eighth, and scikit-learn wants twice as many rows as neighbours.
    def trust(some: np.ndarray) -> float:
        return float(trustworthiness(inputs[some], codes[some], n_neighbors=near))

    def continuity(some: np.ndarray) -> float:
        return float(trustworthiness(codes[some], inputs[some], n_neighbors=near))

    everyone = np.arange(rows)
    # On one thread: the products are so small that handing them out costs several times what it saves.
    with threadpool_limits(1):
        return Neighbourhoods(
            trust(everyone),
            continuity(everyone),
            near,
            jackknife_interval(trust, rows, seed, highest=1.0),
            jackknife_interval(continuity, rows, seed, highest=1.0),
        )


def neighbour_agreement(
    codes: Float[np.ndarray, "rows d"],
    others: Float[np.ndarray, "rows d"],
    among: Float[np.ndarray, "rows d"],
    neighbours: int = NEIGHBOURS,
) -> Float[np.ndarray, " rows"]:
    """The share of each row's nearest neighbours that it keeps when it is encoded in another way.

    Args:
        codes: of some rows.
        others: of the same rows, encoded in the other way.
        among: what the neighbours of `others` are looked for among, the codes of the same rows in either way.
        neighbours: fewer are taken where there are less than three times as many rows.

    Returns:
        From 0 to 1, one a row. Euclidean distances; of equally distant rows the first is the nearer. A row is never its
        own neighbour.

    Raises:
        ShapeError: fewer than 2 rows.
    """
    if len(codes) < 2:
        raise ShapeError(f"{len(codes)} rows came; neighbours expect at least 2")
    near = max(1, min(neighbours, len(codes) // 3))
    before, after = _nearest(codes, codes, near), _nearest(others, among, near)
    kept = [len(np.intersect1d(one, other)) for one, other in zip(before, after, strict=True)]
    return np.array(kept) / near


def _nearest(codes: Float[np.ndarray, "rows d"], among: Float[np.ndarray, "rows d"], near: int) -> np.ndarray:
    distances = cdist(codes, among)
    np.fill_diagonal(distances, np.inf)
    return np.argsort(distances, axis=1, kind="stable")[:, :near]
