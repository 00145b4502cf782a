"""Whether rows come from where others came from, by their sketches alone.

Every test compares two samples: the release's own is a sample, too, and its chance is reckoned with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64
from scipy import stats

from service.drift.sketch import Sketch, project

MEAN, GROUPS, LABELS = "mean of the code", "groups of the code", "labels that codes look like"

# What no direction of either sample varies in, but for rounding, says nothing.
_LEAST_SHARE = 1e-9
_LEAST_EXPECTED = 5.0


@dataclass(frozen=True)
class Test:
    """One test of two samples.

    name: what was compared. p: how often as much differs where nothing has drifted. effect, unit: how much does.
    rows: of the newer sample, that it was made with.
    """

    name: str
    p: float
    effect: float
    unit: str
    rows: int


def compare(usual: Sketch, seen: Sketch, groups: Int64[np.ndarray, " cells"], name: str = GROUPS) -> list[Test]:
    """Every test that two sketches allow.

    Args:
        usual: of rows that were not learned from.
        seen: of the rows in question.
        groups: of each cell, the group that it belongs to.
        name: what the groups are.
    """
    tests = [
        _means(usual, seen),
        _counts(name, by_group(usual.cells, groups), by_group(seen.cells, groups)),
        _counts("latent distance", usual.latent_p, seen.latent_p),
        _counts("reconstruction error", usual.reconstruction_p, seen.reconstruction_p),
    ]
    return [test for test in tests if test is not None]


def _means(usual: Sketch, seen: Sketch) -> Test | None:
    """Hotelling's T² of the codes' means; the covariances may differ (Yao 1965).

    A window that lacks something varies less, which a covariance pooled with the usual rows would hide.
    """
    least = 2 + len(usual.scatter)
    if min(usual.rows, seen.rows) < least:
        return None
    apart = seen.mean - usual.mean
    of_means = [sketch.scatter / (sketch.rows - 1) / sketch.rows for sketch in (usual, seen)]
    variances, directions = np.linalg.eigh(of_means[0] + of_means[1])
    kept = variances > _LEAST_SHARE * variances.max()
    if not kept.any():
        return None
    turned = directions[:, kept] / variances[kept] @ (directions[:, kept].T @ project(apart))
    squared = float(project(apart) @ turned)
    if squared == 0:
        return Test(MEAN, 1.0, 0.0, "deviations", seen.rows)
    shares = [float(turned @ of_mean @ turned) / squared for of_mean in of_means]
    freedom = 1 / sum(share**2 / (sketch.rows - 1) for share, sketch in zip(shares, (usual, seen), strict=True))
    dimensions = int(kept.sum())
    if freedom <= dimensions:
        return None
    ratio = squared * (freedom - dimensions + 1) / (freedom * dimensions)
    p = float(stats.f.sf(ratio, dimensions, freedom - dimensions + 1))
    return Test(MEAN, p, float(np.linalg.norm(apart)), "deviations", seen.rows)


def _counts(name: str, usual: Int64[np.ndarray, " bins"], seen: Int64[np.ndarray, " bins"]) -> Test | None:
    """The chi-square test of homogeneity; bins that hardly any row is expected in are taken together."""
    if usual.sum() == 0 or seen.sum() == 0:
        return None
    counts = np.stack([usual, seen])
    counts = counts[:, np.argsort(counts.sum(0))]
    expected = counts.sum(0) / counts.sum() * min(usual.sum(), seen.sum())
    # From the rarest on, until what is taken together is enough.
    together = int(np.searchsorted(np.cumsum(expected), _LEAST_EXPECTED)) + 1
    if together > 1:
        together = max(together, int((expected < _LEAST_EXPECTED).sum()))
        counts = np.concatenate([counts[:, :together].sum(1, keepdims=True), counts[:, together:]], axis=1)
    if counts.shape[1] < 2:
        return None
    p = float(stats.chi2_contingency(counts, correction=False).pvalue)
    shares = counts / counts.sum(1, keepdims=True)
    return Test(name, p, float(np.abs(shares[0] - shares[1]).sum() / 2), "of rows elsewhere", int(seen.sum()))


def by_group(counts: Int64[np.ndarray, " cells"], groups: Int64[np.ndarray, " cells"]) -> Int64[np.ndarray, " groups"]:
    """Rows by cell -> rows by group; (largest group + 1,)."""
    summed: Int64[np.ndarray, " groups"] = np.bincount(groups, weights=counts).astype(np.int64)
    return summed
