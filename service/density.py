"""Where the training codes lie: the Gaussian mixture fitted to them, to draw from, and their spread as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

# Keeps the distance finite for a code with a dimension that never varies.
_LEAST_VARIANCE_SHARE = 1e-6


@dataclass(frozen=True)
class Mixture:
    """A Gaussian mixture over codes, as the arrays in `density/` give it.

    weights: (k,), positive. means: (k, code). cholesky: (k, code, code), lower triangular roots of the covariances.
    """

    weights: npt.NDArray[np.floating]
    means: npt.NDArray[np.floating]
    cholesky: npt.NDArray[np.floating]

    def draw(self, n: int, generator: np.random.Generator, temperature: float = 1.0) -> Floats:
        """Codes (n, code).

        Args:
            n: how many.
            generator: where the numbers come from.
            temperature: what the deviations are multiplied by; below 1 the codes stay nearer to the means.

        Source: Ghosh et al. 2020.
        """
        component = generator.choice(len(self.weights), size=n, p=self._shares())
        z = generator.standard_normal((n, self.means.shape[1])) * temperature
        for chosen in np.unique(component):
            rows = component == chosen
            z[rows] = self.means[chosen] + z[rows] @ self.cholesky[chosen].T
        return z.astype(np.float32)

    def log_density(self, codes: npt.NDArray[np.floating]) -> Doubles:
        """log p(z) of codes (n, code); nats."""
        size = self.means.shape[1]
        parts = []
        for share, mean, root in zip(self._shares(), self.means, self.cholesky, strict=True):
            root = root.astype(np.float64)
            whitened = np.linalg.solve(root, (codes - mean).astype(np.float64).T)  # (code, n)
            volume = np.log(np.abs(np.diag(root))).sum() + 0.5 * size * np.log(2 * np.pi)
            parts.append(np.log(share) - volume - 0.5 * np.square(whitened).sum(0))
        densities: Doubles = np.logaddexp.reduce(np.array(parts), axis=0)
        return densities

    def _shares(self) -> Doubles:
        weights = np.asarray(self.weights, dtype=np.float64)
        shares: Doubles = weights / weights.sum()
        return shares


@dataclass(frozen=True)
class Spread:
    """Mean and covariance of the training codes: what a latent distance is measured from, and in.

    mean: (code,). cholesky: (code, code), the lower triangular root of the covariance. cells: (k, code), centres by
    which codes are counted, in deviations of the training codes; None of a release that keeps none.
    """

    mean: Doubles
    cholesky: Doubles
    cells: Doubles | None = None

    @classmethod
    def of(cls, codes: npt.NDArray[np.floating]) -> Self:
        """The spread of training codes (n, code); n at least 2."""
        exact = codes.astype(np.float64)
        covariance = np.atleast_2d(np.cov(exact, rowvar=False))
        variance = max(float(np.trace(covariance)) / len(covariance), np.finfo(np.float64).tiny)
        covariance += _LEAST_VARIANCE_SHARE * variance * np.eye(len(covariance))
        mean: Doubles = exact.mean(0)
        cholesky: Doubles = np.linalg.cholesky(covariance).astype(np.float64)
        return cls(mean, cholesky)

    @cached_property
    def whitening(self) -> Doubles:
        """(code, code): turns a code's difference from the mean into one whose length is its distance."""
        inverse: Doubles = np.linalg.inv(self.cholesky).astype(np.float64)
        return inverse

    def distances(self, codes: npt.NDArray[np.floating]) -> Doubles:
        """The Mahalanobis distance of each code (n, code) to the training codes' mean; (n,), deviations."""
        whitened = (codes.astype(np.float64) - self.mean) @ self.whitening.T
        distances: Doubles = np.sqrt(np.square(whitened).sum(1))
        return distances
