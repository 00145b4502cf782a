"""Training rows made ready to be compared with: which of them is the nearest, and how far."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from service.sessions import Floats

Doubles = npt.NDArray[np.float64]

# Numbers of the rows that are in memory as float32 at a time: 16 MB.
_CHUNK_NUMBERS = 2**22


class KnownRows:
    """Training rows as they are stored: of them only their mean and one number a row are kept beside the file.

    They are compared in scaled units, about their mean, in float32, some rows at a time. Distances do not know of the
    mean, but float32 does: far from 0 it cannot tell rows apart.

    Args:
        rows: (m, *shape), in the data's own units, numbers of any type, at least one row; may be memory-mapped.
        scale: what one unit is: one number, or one a feature.
    """

    def __init__(self, rows: npt.NDArray[Any], scale: Doubles) -> None:
        self._rows = rows.reshape(len(rows), -1)
        self._scale = scale
        # In float32, so that rows of a narrow type are never widened to float64.
        self._mean: Floats = self._rows.mean(0, dtype=np.float64).astype(np.float32)
        # A feature that hardly moves at all keeps a unit that can be divided by.
        self._unit: Floats = np.maximum(scale, np.finfo(np.float32).tiny).astype(np.float32)
        self._squares = np.concatenate([np.einsum("mf,mf->m", known, known) for _, known in self._chunks()])

    def nearest(self, x: Floats) -> Floats:
        """The Euclidean distance of each row (n, *shape), in the data's own units, to the nearest; scaled units.

        Takes n · m · features multiplications.
        """
        flat = x.reshape(len(x), -1)
        found, least = np.zeros(len(x), np.int64), np.full(len(x), np.inf, np.float32)
        # A row so far away that float32 cannot hold it is about as far from all of them.
        with np.errstate(over="ignore", invalid="ignore"):
            rows = self._about_mean(flat, np.empty(flat.shape, np.float32))
            for start, known in self._chunks():
                # Without |x|², which is the same for all.
                apart = self._squares[start : start + len(known)] - 2 * (rows @ known.T)
                nearest = apart.argmin(1)
                closeness = np.take_along_axis(apart, nearest[:, None], 1)[:, 0]
                nearer = closeness < least
                found[nearer], least[nearer] = start + nearest[nearer], closeness[nearer]
        # Once more from the difference itself: the products lose what is small.
        difference = (flat.astype(np.float64) - self._rows[found]) / self._scale
        distances: Doubles = np.minimum(np.sqrt(np.square(difference).sum(1)), np.finfo(np.float32).max)
        return distances.astype(np.float32)

    def _chunks(self) -> Iterator[tuple[int, Floats]]:
        """The first row's number and some rows, about their mean; each overwrites the one before."""
        count = max(1, _CHUNK_NUMBERS // self._rows.shape[1])
        room = np.empty((min(count, len(self._rows)), self._rows.shape[1]), np.float32)
        for start in range(0, len(self._rows), count):
            flat = self._rows[start : start + count]
            yield start, self._about_mean(flat, room[: len(flat)])

    def _about_mean(self, flat: npt.NDArray[Any], room: Floats) -> Floats:
        """Rows about the mean, in scaled units, written into `room`."""
        np.subtract(flat, self._mean, out=room, casting="same_kind")
        room /= self._unit
        return room
