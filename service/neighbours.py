"""The nearest reference rows of a code, and what is known of each."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from service.release_arrays import KnownPlaces
from service.sessions import Floats

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Distances, or differences of codes, that are in memory at a time, as float64: 8 MB.
_CHUNK_NUMBERS = 2**20


class KnownCodes:
    """The codes of the reference rows, made ready to be searched: every code is compared with all of them.

    Args:
        places: the reference rows' codes, map and labels.
        label_names: the name of each label; None where there are no labels.
    """

    def __init__(self, places: KnownPlaces, label_names: tuple[str, ...] | None) -> None:
        exact = np.asarray(places.codes, np.float64)
        self._mean: Doubles = exact.mean(0)
        # Distances do not know of the mean, but products of numbers far from 0 lose what is small.
        self._codes: Doubles = exact - self._mean
        self._squares: Doubles = np.square(self._codes).sum(1)
        self._map: Floats = np.asarray(places.map, np.float32)
        self._labels: Integers | None = None if places.labels is None else np.asarray(places.labels, np.int64)
        self._names = label_names

    def __len__(self) -> int:
        return len(self._codes)

    def nearest(self, z: Floats, k: int) -> Floats:
        """The `k` nearest of each code, the nearest first; among equally near ones, any.

        Args:
            z: (n, code).
            k: from 1 to as many as there are.

        Returns:
            (n, k, 2): its number among the reference rows, and its Euclidean distance in the code.
        """
        found = np.empty((len(z), k, 2), np.float32)
        chunk = max(1, _CHUNK_NUMBERS // max(len(self), k * z.shape[1]))
        for start in range(0, len(z), chunk):
            codes = z[start : start + chunk].astype(np.float64) - self._mean
            # Without |z|², which is the same for all.
            apart = self._squares - 2 * (codes @ self._codes.T)
            ids = np.argpartition(apart, k - 1, axis=1)[:, :k]
            # Once more from the difference itself: the products lose what is small.
            distances = np.sqrt(np.square(codes[:, None] - self._codes[ids]).sum(2))
            order = np.lexsort((ids, distances))
            part = found[start : start + chunk]
            part[..., 0] = np.take_along_axis(ids, order, 1)
            # A code so far away that float32 cannot hold it is about as far from all of them.
            part[..., 1] = np.minimum(np.take_along_axis(distances, order, 1), np.finfo(np.float32).max)
        return found

    def map_of(self, ids: Integers) -> Floats:
        """The 2-D coordinates of reference rows (n, k), by number; (n, k, 2)."""
        points: Floats = self._map[ids]
        return points

    def labels_of(self, ids: Integers) -> Integers:
        """The labels of reference rows (n, k), by number: indices of the names; -1 where there is none."""
        none: Integers = np.full(ids.shape, -1, np.int64)
        return none if self._labels is None else np.maximum(self._labels[ids], none)

    def names_of(self, ids: Integers) -> list[list[str | None]] | None:
        """The labels by name, None where a row has none; None where the release has no labels at all."""
        names = self._names
        if self._labels is None or names is None:
            return None
        labels: list[list[int]] = self.labels_of(ids).tolist()
        return [[names[label] if label >= 0 else None for label in row] for row in labels]


def ids_of(found: Floats) -> Integers:
    """The numbers of the reference rows in what `nearest` answers, (n, k)."""
    ids: Integers = found[..., 0].astype(np.int64)
    return ids


def packed(known: KnownCodes, found: Floats) -> npt.NDArray[Any]:
    """Everything about neighbours as numbers.

    Returns:
        (n, k, 5) float32: number, distance, map x, map y, label or -1. Numbers and labels are below 2²⁴, and exact.
    """
    ids = ids_of(found)
    return np.concatenate([found, known.map_of(ids), known.labels_of(ids)[..., None]], axis=2, dtype=np.float32)
