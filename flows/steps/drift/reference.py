"""What a release keeps of its own rows, so that others can be compared with them: cells of the code, and a sketch.

The sketch is of rows that were not learned from: an encoder maps those that it knows a little differently.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from service.density import Spread
from service.drift.reference import CELLS_FILE, DRIFT_FILE, Reference
from service.drift.sketch import Sketch, nearest_cell, whiten
from service.drift.windows import KeptSketch
from service.release.manifest import Calibration
from service.scoring import p_values

_FITTED_ROWS = 10_000
# Without labels: cells, how many rows each must have, and how many groups they are joined to.
_CELLS, _ROWS_A_CELL, _GROUPS = 128, 20, 14
# With labels: cells a label, and labels at most.
_CELLS_A_LABEL, _MOST_LABELS = 12, 64


@dataclass(frozen=True)
class Cells:
    """Cells of the code.

    centres: (k, code), codes. groups: (k,), which group each belongs to. labelled: whether that is its label, or cells
    that run into each other.
    """

    centres: Float32[np.ndarray, "k code"]
    groups: Int64[np.ndarray, " k"]
    labelled: bool


@dataclass(frozen=True)
class Unseen:
    """Rows that were not learned from: codes (n, code), reconstruction errors (n,), and what they are the calibration
    of."""

    codes: Float32[np.ndarray, "n code"]
    errors: Float64[np.ndarray, " n"]
    calibration: Calibration


def fit_cells(
    codes: Float32[np.ndarray, "n code"], labels: Int64[np.ndarray, " n"] | None, spread: Spread, seed: int
) -> Cells:
    """Cells around training codes, fitted in deviations of the training codes.

    Where there are labels, each has cells of its own: the groups then say which labels rows look like. Without them,
    cells that share their borders are one group (Ng, Jordan & Weiss 2002).

    Args:
        codes: of training rows.
        labels: of these, below 0 where a row has none.
        spread: of the codes.
        seed: for where the fit starts.
    """
    chosen = np.sort(np.random.default_rng(seed).permutation(len(codes))[:_FITTED_ROWS])
    points = whiten(codes[chosen], spread)
    labels = np.full(len(codes), -1) if labels is None else labels
    known = np.unique(labels[chosen][labels[chosen] >= 0])
    labelled = 2 <= len(known) <= _MOST_LABELS
    # On one thread, as the density is fitted: the sums are then the same everywhere.
    with threadpool_limits(1):
        if labelled:
            fitted = [_centres(points[labels[chosen] == label], _CELLS_A_LABEL, seed) for label in known]
            centres = np.concatenate(fitted)
            groups = np.repeat(known, [len(some) for some in fitted])
        else:
            centres = _centres(points, _CELLS, seed)
            groups = _joined(points, centres, seed)
    raw = centres @ spread.cholesky.T + spread.mean
    return Cells(raw.astype(np.float32), groups.astype(np.int64), labelled)


def keep_reference(folder: Path, spread: Spread, cells: Cells, unseen: Unseen) -> None:
    """Write cells, groups and the sketch of unseen rows into a draft, which has a folder `latent/`.

    Raises:
        OSError: the disk refused.
    """
    known = unseen.calibration
    distances = spread.distances(unseen.codes).astype(np.float32)
    sketch = Sketch.of(
        unseen.codes,
        spread,
        whiten(cells.centres, spread),
        p_values(distances, known.latent_distance, known.rows),
        p_values(unseen.errors.astype(np.float32), known.reconstruction_error, known.rows),
    )
    np.save(folder / CELLS_FILE, cells.centres, allow_pickle=False)
    groups = tuple(cells.groups.tolist())
    reference = Reference(split=known.split, sketch=KeptSketch.of(sketch), groups=groups, labelled=cells.labelled)
    (folder / DRIFT_FILE).write_text(reference.model_dump_json(), "ascii")


def _centres(points: Float[np.ndarray, "n code"], most: int, seed: int) -> Float64[np.ndarray, "k code"]:
    different = len(np.unique(points, axis=0))
    count = max(1, min(most, len(points) // _ROWS_A_CELL, different))
    centres: Float64[np.ndarray, "k code"] = (
        KMeans(count, n_init=1, random_state=seed).fit(points.astype(np.float64)).cluster_centers_
    )
    return centres


def _joined(
    points: Float[np.ndarray, "n code"], centres: Float64[np.ndarray, "k code"], seed: int
) -> Int64[np.ndarray, " k"]:
    """Which group each cell belongs to, by how often two cells are the nearest and the next one of a point."""
    count = len(centres)
    if count < 2 * _GROUPS:
        return np.arange(count)
    first = nearest_cell(points, centres)
    apart = np.square(centres).sum(1) - 2 * (points @ centres.T)
    apart[np.arange(len(points)), first] = np.inf
    borders = np.zeros((count, count))
    np.add.at(borders, (first, apart.argmin(1)), 1)
    borders += borders.T
    rows = np.maximum(np.bincount(first, minlength=count), 1)
    # By their sizes, or large cells would hold together whatever lies between them.
    affinity = borders / np.sqrt(np.outer(rows, rows))
    degree = np.maximum(affinity.sum(1), np.finfo(np.float64).tiny) ** -0.5
    _, vectors = np.linalg.eigh(affinity * np.outer(degree, degree))
    places = vectors[:, -_GROUPS:]
    places = places / np.maximum(np.linalg.norm(places, axis=1, keepdims=True), 1e-12)
    groups: Int64[np.ndarray, " k"] = KMeans(_GROUPS, n_init=10, random_state=seed).fit_predict(places)
    # Named in order, and none of them empty.
    return np.unique(groups, return_inverse=True)[1].astype(np.int64)
