"""What candidate and champion are worth on the same held-out rows: one number a row for each, then the gain."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Float32, Int64
from sklearn.neighbors import NearestNeighbors

from flows.steps.datasets import Dataset, Split
from flows.steps.datasets.record import SPLITS
from flows.steps.evaluation.subject import SAMPLE_SEED, sample_indices, sample_rows
from flows.steps.gate.rules import compared
from flows.steps.latent import squared_errors
from service.release.verdict import Comparison
from service.runtime import Runtime
from service.scoring import judge_scores, measure

_TEST_ROWS = 2_000
_TRAIN_ROWS = 5_000
_AGREEMENT_ROWS = 1_000
_NEIGHBOURS = 10
# Numbers of one sample in memory: 128 MiB of float32.
_MOST_ENTRIES = 2**25

Rows = Float32[np.ndarray, "rows ..."]
Values = Float[np.ndarray, " rows"]


def quality(candidate: Runtime, champion: Runtime, dataset: Dataset, allowed: float) -> Iterator[Comparison]:
    """Every measure of quality that applies to both.

    Args:
        candidate: as it would be served.
        champion: as it is served; its rows have the shape of the candidate's.
        dataset: the candidate's, whose held-out rows neither has learned from.
        allowed: how much worse a measure may be, as a share of the champion's.
    """
    most = max(1, min(_TEST_ROWS, _MOST_ENTRIES // int(np.prod(dataset.record.shape))))
    rows = sample_rows(dataset, "test", SAMPLE_SEED, most)
    # Both in the champion's units, or another scaling would seem a gain.
    scale = champion.manifest.input.scale
    errors = [squared_errors(rows, side.reconstruct(rows), scale) for side in (candidate, champion)]
    unit = "squared units of the champion's scale per row"
    yield compared("squared_error", unit, "lower", errors, _mean, allowed, "mean of the reconstruction error")
    yield from _neighbour_accuracy(candidate, champion, dataset, most, allowed)
    yield from _neighbour_agreement(candidate, champion, rows[:_AGREEMENT_ROWS], scale, allowed)
    yield from _calibration(candidate, champion, rows, allowed)


def _neighbour_accuracy(
    candidate: Runtime, champion: Runtime, dataset: Dataset, most: int, allowed: float
) -> Iterator[Comparison]:
    splits = [dataset.labels(split) for split in SPLITS]
    if any(labels is None or not (labels >= 0).any() for labels in splits):
        return
    train, train_labels = _labelled(dataset, "train", min(_TRAIN_ROWS, max(most, _TEST_ROWS)))
    test, test_labels = _labelled(dataset, "test", most)
    hits = []
    for side in (candidate, champion):
        nearest = NearestNeighbors(n_neighbors=1).fit(side.encode(train))
        found = nearest.kneighbors(side.encode(test), return_distance=False)[:, 0]
        hits.append((train_labels[found] == test_labels).astype(np.float64))
    how = f"label of the nearest of {len(train)} training rows in the code"
    yield compared("neighbour_accuracy", "share of rows", "higher", hits, _mean, allowed, how)


def _neighbour_agreement(
    candidate: Runtime, champion: Runtime, rows: Rows, scale: tuple[float, ...], allowed: float
) -> Iterator[Comparison]:
    if len(rows) < 3 * _NEIGHBOURS:
        return
    among_inputs = _neighbours((rows.reshape(len(rows), -1) / np.asarray(scale)).astype(np.float32))
    kept = []
    for side in (candidate, champion):
        among_codes = _neighbours(side.encode(rows))
        kept.append(
            np.array([len(set(a) & set(b)) / _NEIGHBOURS for a, b in zip(among_inputs, among_codes, strict=True)])
        )
    how = f"share of a row's {_NEIGHBOURS} nearest rows that are its nearest in the code too"
    yield compared("neighbour_agreement", "share of neighbours", "higher", kept, _mean, allowed, how)


def _calibration(candidate: Runtime, champion: Runtime, rows: Rows, allowed: float) -> Iterator[Comparison]:
    """Whether unseen rows get a p-value below p in a share p of cases: 1 less the largest difference of the two."""
    # A release of before does not keep what this needs.
    if candidate.spread is None or champion.spread is None:
        return
    scores = [judge_scores(measure(side, rows), side.manifest.calibration) for side in (candidate, champion)]
    for name in ("reconstruction_p", "latent_p"):
        values = [np.asarray(getattr(side, name), np.float64) for side in scores]
        how = "1 less the largest distance of the p-values' distribution from the even one"
        yield compared(f"calibration_of_{name}", "share", "higher", values, _evenness, allowed, how)


def _mean(values: Values) -> float:
    return float(values.mean())


def _evenness(p: Values) -> float:
    ordered, steps = np.sort(p), np.arange(len(p) + 1) / len(p)
    return 1.0 - float(max((steps[1:] - ordered).max(), (ordered - steps[:-1]).max()))


def _labelled(dataset: Dataset, split: Split, most: int) -> tuple[Rows, Int64[np.ndarray, " rows"]]:
    chosen = sample_indices(dataset, split, SAMPLE_SEED, most)
    every = dataset.labels(split)
    assert every is not None  # noqa: S101 - asked for where there are labels
    labels = np.asarray(every[chosen])
    known = labels >= 0
    return dataset.rows(split)[chosen[known]].astype(np.float32), labels[known]


def _neighbours(points: Float[np.ndarray, "rows d"]) -> Int64[np.ndarray, "rows k"]:
    """The nearest other points of each."""
    found: Int64[np.ndarray, "rows k"] = (
        NearestNeighbors(n_neighbors=_NEIGHBOURS).fit(points).kneighbors(return_distance=False)
    )
    return found
