"""Whether new samples look like real rows, and whether they show all that real rows show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64
from sklearn.metrics import pairwise_distances_chunked
from sklearn.neighbors import NearestNeighbors

from models.errors import ShapeError

NEIGHBOURS = 5
# Distances come from products of matrices: the k-th neighbour must not fall out of the ball that it defines.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class SampleQuality:
    """What each row says of the samples; the figures are the means.

    A ball reaches from a row to its k-th nearest among its own kind.

    realistic: (samples,), the sample lies in some real row's ball; its mean is the precision.
    within: (samples,), in how many real balls it lies, over k; its mean is the density, 1 for equal distributions.
    recalled: (real,), the real row lies in some sample's ball; its mean is the recall.
    covered: (real,), some sample lies in the real row's ball; its mean is the coverage.
    neighbours: k.
    """

    realistic: Bool[np.ndarray, " samples"]
    within: Float64[np.ndarray, " samples"]
    recalled: Bool[np.ndarray, " real"]
    covered: Bool[np.ndarray, " real"]
    neighbours: int

    @property
    def precision(self) -> float:
        """Share of samples that look real; in [0, 1]."""
        return float(self.realistic.mean())

    @property
    def recall(self) -> float:
        """Share of real rows that the samples' balls reach; in [0, 1]."""
        return float(self.recalled.mean())

    @property
    def density(self) -> float:
        """How many real balls a sample lies in, over k: 1 for equal distributions, more where samples crowd."""
        return float(self.within.mean())

    @property
    def coverage(self) -> float:
        """Share of real rows with a sample in their ball; in [0, 1]."""
        return float(self.covered.mean())


def sample_quality(
    real: Float[np.ndarray, "real d"], samples: Float[np.ndarray, "samples d"], neighbours: int = NEIGHBOURS
) -> SampleQuality:
    """Precision, recall, density and coverage of samples, by Euclidean balls.

    A row on a ball's rim lies in it, so that equal rows, of a discrete table for example, count as alike.

    Args:
        real: rows that the model never saw, in a space whose distances mean something.
        samples: as many, for precision and recall to be comparable.
        neighbours: k; fewer are taken where there are not more rows.

    Raises:
        ShapeError: fewer than 2 rows on either side.

    Source: Kynkäänniemi et al. 2019, eq. 1 and 2 (precision, recall); Naeem et al. 2020, eq. 6 and 7 (density,
    coverage), whose k of 5 is taken for all four.
    """
    if min(len(real), len(samples)) < 2:
        raise ShapeError(f"{len(real)} rows and {len(samples)} samples came; expected at least 2 of each")
    k = min(neighbours, len(real) - 1, len(samples) - 1)
    real_radius, sample_radius = _radii(real, k), _radii(samples, k)
    realistic, recalled, covered, counts = [], np.zeros(len(real), bool), np.zeros(len(real), bool), []
    start = 0
    for distances in pairwise_distances_chunked(samples, real):  # (some samples, real)
        inside = distances <= real_radius
        realistic.append(inside.any(1))
        counts.append(inside.sum(1))
        covered |= inside.any(0)
        recalled |= (distances <= sample_radius[start : start + len(distances), None]).any(0)
        start += len(distances)
    within: Int64[np.ndarray, " samples"] = np.concatenate(counts)
    return SampleQuality(np.concatenate(realistic), within / k, recalled, covered, k)


def _radii(rows: Float[np.ndarray, "rows d"], k: int) -> Float[np.ndarray, " rows"]:
    # Asked without rows of their own, neighbours leave out the row itself.
    distances, _ = NearestNeighbors(n_neighbors=k).fit(rows).kneighbors()
    radii: Float[np.ndarray, " rows"] = distances[:, -1] + _ROUNDING * float(np.abs(rows).max())
    return radii
