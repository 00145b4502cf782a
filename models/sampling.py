"""A density over codes. Autoencoders have no prior: one is fitted afterwards (Ghosh et al. 2020)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from models.errors import ShapeError

_ROWS = 10_000
_SIZES = (1, 4, 12, 32)
# Between larger ones the criterion differs little, and each fit takes long.
_REFINED_UP_TO = 12
_ITERATIONS = 30


@dataclass(frozen=True)
class Density:
    """A Gaussian mixture. A sample is `means[k] + cholesky[k] @ e`, with k drawn by `weights` and e standard
    normal.

    weights: (k,), positive, sum 1. means: (k, d). cholesky: (k, d, d), lower triangular roots of the
    covariances. fitted_rows: how many codes it was fitted to.
    """

    weights: Float32[np.ndarray, " k"]
    means: Float32[np.ndarray, "k d"]
    cholesky: Float32[np.ndarray, "k d d"]
    fitted_rows: int


def fit_density(codes: Float32[np.ndarray, "rows d"], seed: int) -> Density:
    """A Gaussian mixture with full covariances, of the size that the Bayesian information criterion prefers.

    Args:
        codes: (n, d), n at least 2; may be memory-mapped. Of more than 10,000 rows, 10,000 are drawn.
        seed: for the draw and for where the fit starts.

    Raises:
        ShapeError: fewer than 2 rows.
    """
    if len(codes) < 2:
        raise ShapeError(f"{len(codes)} codes came; a density expects at least 2")
    chosen = np.sort(np.random.default_rng(seed).permutation(len(codes))[:_ROWS])
    sample = np.asarray(codes[chosen], dtype=np.float64)
    mean, spread = sample.mean(0), sample.std(0)
    # Fitted to deviations of 1, so that the floor under the variances means the same for every code; a unit
    # that never moves is only centred.
    spread = np.where(spread > 0, spread, 1.0)
    # On one thread: the products are so small that handing them out costs several times what it saves.
    with threadpool_limits(1):
        mixture = _best_mixture(((sample - mean) / spread).astype(np.float32), seed)
    roots = np.linalg.cholesky(mixture.covariances_.astype(np.float64))
    return Density(
        weights=mixture.weights_.astype(np.float32),
        means=(mixture.means_ * spread + mean).astype(np.float32),
        cholesky=(roots * spread[:, None]).astype(np.float32),
        fitted_rows=len(sample),
    )


def _best_mixture(sample: Float32[np.ndarray, "rows d"], seed: int) -> GaussianMixture:
    rows, size = sample.shape
    # A component that has fewer rows than dimensions fits nothing but its floor. And where one component has more
    # numbers than there are rows, the criterion could not tell: a second costs minutes and is never preferred.
    several = size * (size + 3) // 2 <= rows
    largest = rows // (size + 1) if several else 1
    fits: dict[int, tuple[float, GaussianMixture]] = {}

    def criterion(components: int) -> float:
        if components not in fits:
            mixture = _fit(sample, components, seed)
            fits[components] = float(mixture.bic(sample)), mixture
        return fits[components][0]

    for components in (size for size in _SIZES if size <= max(1, largest)):
        if criterion(components) > criterion(min(fits, key=criterion)):
            # It has turned: larger mixtures cost more time and are worse.
            break
    while between := _between(sorted(fits), min(fits, key=criterion)):
        for components in between:
            criterion(components)
    return fits[min(fits, key=criterion)][1]


def _between(tried: list[int], best: int) -> list[int]:
    """Sizes between the best and its neighbours, where they still differ enough; none: it is found."""
    place = tried.index(best)
    sizes = [round((best * other) ** 0.5) for other in tried[max(0, place - 1) : place + 2] if other != best]
    return [size for size in sizes if size not in tried and size <= _REFINED_UP_TO and abs(size - best) > best / 10]


def _fit(sample: Float32[np.ndarray, "rows d"], components: int, seed: int) -> GaussianMixture:
    mixture = GaussianMixture(
        components, max_iter=_ITERATIONS, tol=2e-3, reg_covar=1e-4, init_params="kmeans", random_state=seed
    )
    with warnings.catch_warnings():
        # One that is still moving is judged by the criterion like the others.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return mixture.fit(sample)
