"""Which rows are shown: by a seed and a stated rule, never by how well they look."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int64
from sklearn.neighbors import NearestNeighbors

from flows.steps.figures import Neighbours


def one_of_each_label(
    labels: Int64[np.ndarray, " n"] | None, rows: int, most: int, seed: int
) -> Int64[np.ndarray, " q"]:
    """Rows drawn at random: as many different labels as there are places, then any.

    Args:
        labels: of the rows; None without.
        rows: how many there are.
        most: how many are chosen, where there are so many.
        seed: the same seed gives the same rows.
    """
    order = np.random.default_rng(seed).permutation(rows)
    if labels is None:
        return order[:most]
    _, first = np.unique(labels[order], return_index=True)
    seen = np.zeros(rows, bool)
    seen[first] = True
    chosen = np.concatenate([order[np.sort(first)], order[~seen]])[:most]
    return chosen[np.argsort(labels[chosen], kind="stable")]


def pairs_of_rows(labels: Int64[np.ndarray, " n"] | None, rows: int, most: int, seed: int) -> Int64[np.ndarray, "p 2"]:
    """Pairs drawn at random, of two different labels where there are two."""
    order = np.random.default_rng(seed).permutation(rows)
    pairs: list[tuple[int, int]] = []
    left = [int(row) for row in order]
    while len(left) > 1 and len(pairs) < most:
        first = left.pop(0)
        other = next((row for row in left if labels is not None and labels[row] != labels[first]), left[0])
        left.remove(other)
        pairs.append((first, other))
    return np.array(pairs, np.int64).reshape(-1, 2)


def nearest(points: Float[np.ndarray, "n d"], query: Int64[np.ndarray, " q"], k: int) -> Int64[np.ndarray, "q k"]:
    """The k nearest other rows (Euclidean) of some rows, nearest first."""
    index = NearestNeighbors(n_neighbors=min(k + 1, len(points)), algorithm="brute").fit(points)
    found = index.kneighbors(points[query], return_distance=False)
    # A row equal to the query may come before the query itself.
    others = [[row for row in near if row != own][:k] for near, own in zip(found, query, strict=True)]
    return np.array(others, np.int64)


def neighbours_of(
    inputs: Float[np.ndarray, "n d"], codes: Float[np.ndarray, "n code"], query: Int64[np.ndarray, " q"], k: int
) -> Neighbours:
    """Neighbours of some rows, in the inputs and in the code."""
    return Neighbours(query, nearest(inputs, query, k), nearest(codes, query, k))


def strongest(weights: Float[np.ndarray, "units ..."], most: int) -> Int64[np.ndarray, " q"]:
    """The units with the largest weights (Σ w²), the largest first."""
    size = np.square(weights.reshape(len(weights), -1)).sum(1)
    chosen: Int64[np.ndarray, " q"] = np.argsort(-size, kind="stable")[:most].astype(np.int64)
    return chosen


def effective_size(weights: Float[np.ndarray, "units ..."]) -> Float[np.ndarray, " units"]:
    """On how many inputs a unit's weight lies: (Σ w²)² / Σ w⁴, 1 for one input, n for n equal ones."""
    squares = np.square(weights.reshape(len(weights), -1).astype(np.float64))
    size: Float[np.ndarray, " units"] = squares.sum(1) ** 2 / np.maximum(np.square(squares).sum(1), 1e-300)
    return size


def two_that_grow_most(
    without: Float[np.ndarray, "units ..."], corrupted: Float[np.ndarray, "units ..."]
) -> Int64[np.ndarray, " two"]:
    """The two units whose filter spreads over the most more inputs, as a ratio, from one training to the other."""
    growth = effective_size(corrupted) / effective_size(without)
    chosen: Int64[np.ndarray, " two"] = np.argsort(-growth, kind="stable")[:2].astype(np.int64)
    return chosen
