"""A sketch of rows: what is known of them together, whose merge is as good as one sketch of all.

Codes are sketched in deviations of the training codes: centred at their mean, and turned so that their covariance is
the identity. Mean and covariance are merged exactly (Chan, Golub & LeVeque 1979); counts are added.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from service.density import Spread

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

# The covariance of a wider code is kept of a random projection to so many numbers.
WIDTH: Final = 64
# Where the bins of p-values end: fine where rows are unusual.
P_ENDS: Final = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
# Deviations in one direction that count as so many: one row of 1e38 must not outweigh all others.
_FARTHEST: Final = 30.0


@dataclass(frozen=True)
class Sketch:
    """What is known of rows together.

    rows: how many codes were added. mean: (code,), of the codes, in deviations of the training codes. scatter:
    (d, d), the sum of outer products of what lies apart from the mean, d the code's size, or `WIDTH` where that is
    less. cells: (k,), rows by the nearest of the release's cells. latent_p, reconstruction_p: (bins,), rows by the
    p-value of latent distance and of reconstruction error; fewer rows may have one than have a code.
    """

    rows: int
    mean: Doubles
    scatter: Doubles
    cells: Counts
    latent_p: Counts
    reconstruction_p: Counts

    @classmethod
    def empty(cls, code_size: int, cells: int) -> Self:
        """Of no rows."""
        width, bins = min(code_size, WIDTH), len(P_ENDS)
        return cls(
            0,
            np.zeros(code_size),
            np.zeros((width, width)),
            np.zeros(cells, np.int64),
            np.zeros(bins, np.int64),
            np.zeros(bins, np.int64),
        )

    @classmethod
    def of(cls, codes: Floats, spread: Spread, cells: Doubles, latent_p: Floats, reconstruction_p: Floats) -> Self:
        """Of some rows.

        Args:
            codes: (n, code), finite; n may be 0.
            spread: of the training codes.
            cells: (k, code), their centres, in deviations.
            latent_p: (n,), of the codes' distances.
            reconstruction_p: (m,), of the rows whose error is known.
        """
        whitened = whiten(codes, spread)
        mean = whitened.mean(0) if len(codes) else np.zeros(codes.shape[1])
        apart = project(whitened - mean)
        return cls(
            len(codes),
            mean,
            apart.T @ apart,
            np.bincount(nearest_cell(whitened, cells), minlength=len(cells)),
            binned(latent_p),
            binned(reconstruction_p),
        )

    def merged(self, other: Self) -> Self:
        """Of the rows of both.

        Raises:
            ValueError: they are of codes or cells of other sizes.
        """
        if (self.mean.shape, self.cells.shape) != (other.mean.shape, other.cells.shape):
            raise ValueError("sketches of different releases")
        rows = self.rows + other.rows
        share = other.rows / rows if rows else 0.0
        apart = other.mean - self.mean
        between = project(apart)
        return type(self)(
            rows,
            self.mean + share * apart,
            self.scatter + other.scatter + self.rows * share * np.outer(between, between),
            self.cells + other.cells,
            self.latent_p + other.latent_p,
            self.reconstruction_p + other.reconstruction_p,
        )


def whiten(codes: npt.NDArray[np.floating], spread: Spread) -> Doubles:
    """Codes (n, code) in deviations of the training codes; what is farther than 30 in a direction counts as 30."""
    whitened: Doubles = ((codes.astype(np.float64) - spread.mean) @ spread.whitening.T).clip(-_FARTHEST, _FARTHEST)
    return whitened


def project(whitened: Doubles) -> Doubles:
    """(..., code) -> (..., d): as it is, or at random signs where it is wider than `WIDTH`."""
    if whitened.shape[-1] <= WIDTH:
        return whitened
    projected: Doubles = (whitened @ _signs(whitened.shape[-1])).astype(np.float64)
    return projected


def nearest_cell(whitened: Doubles, cells: Doubles) -> Counts:
    """The nearest centre (k, code) of each (n, code); (n,)."""
    # Without |code|², which is the same for all.
    apart = np.square(cells).sum(1) - 2 * (whitened @ cells.T)
    nearest: Counts = apart.argmin(1)
    return nearest


def binned(p: Floats) -> Counts:
    """How many p-values lie in each bin; those at a bin's end are in it."""
    # p-values are float32: its own 0.05 must not be above 0.05.
    ends = np.asarray(P_ENDS[:-1], np.float32)
    counts: Counts = np.bincount(np.searchsorted(ends, p, side="left"), minlength=len(P_ENDS))
    return counts


@functools.cache
def _signs(width: int) -> Doubles:
    """(width, WIDTH), each number ± 1/√width; the same in every version of numpy, as its bit streams are."""
    words = np.random.PCG64(0).random_raw(-(-width * WIDTH // 64))
    bits = np.unpackbits(words.astype("<u8").view(np.uint8))[: width * WIDTH].reshape(width, WIDTH)
    signs: Doubles = np.where(bits, 1.0, -1.0) / math.sqrt(width)
    return signs
