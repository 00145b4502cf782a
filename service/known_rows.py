"""Training rows made ready to be compared with: which of them is the nearest, and how far."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from service.sessions import Floats

Doubles = npt.NDArray[np.float64]

# Numbers that are turned into float64 at a time.
_CHUNK_NUMBERS = 2**22


class KnownRows:
    """Training rows in scaled units, about their mean, in float32: four bytes a number, kept as long as this is.

    Distances do not know of the mean, but float32 does: far from 0 it cannot tell rows apart.

    Args:
        rows: (m, *shape), in the data's own units, numbers of any type, at least one row; may be memory-mapped.
        scale: what one unit is: one number, or one a feature.
    """

    def __init__(self, rows: npt.NDArray[Any], scale: Doubles) -> None:
        self._rows = rows
        self._scale = scale
        flat = rows.reshape(len(rows), -1)
        self._mean: Doubles = flat.mean(0, dtype=np.float64)
        self._scaled = np.empty(flat.shape, np.float32)
        chunk = max(1, _CHUNK_NUMBERS // flat.shape[1])
        for start in range(0, len(flat), chunk):
            self._scaled[start : start + chunk] = self._about_mean(flat[start : start + chunk])
        self._squares = np.einsum("mf,mf->m", self._scaled, self._scaled)

    def nearest(self, x: Floats) -> Floats:
        """The Euclidean distance of each row (n, *shape), in the data's own units, to the nearest; scaled units.

        Takes n · m · features multiplications.
        """
        flat = x.reshape(len(x), -1)
        # A row so far away that float32 cannot hold it is about as far from all of them.
        with np.errstate(over="ignore", invalid="ignore"):
            rows = self._about_mean(flat)
            # Without |x|², which is the same for all.
            found = (self._squares - 2 * (rows @ self._scaled.T)).argmin(1)
        # Once more from the difference itself: the products lose what is small.
        known = self._rows[found].reshape(len(x), -1)
        difference = (flat.astype(np.float64) - known) / self._scale
        distances: Doubles = np.minimum(np.sqrt(np.square(difference).sum(1)), np.finfo(np.float32).max)
        return distances.astype(np.float32)

    def _about_mean(self, flat: npt.NDArray[Any]) -> Floats:
        scaled: Floats = ((flat - self._mean) / self._scale).astype(np.float32)
        return scaled
