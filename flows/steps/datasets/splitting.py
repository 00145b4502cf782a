"""Which row is trained on, which is held out: frozen by the seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from flows.steps.datasets.record import PrepareSettings, Split
from flows.steps.validation import DUPLICATES, Findings

Splits = dict[Split, NDArray[np.int64]]


def split_rows(kept: NDArray[np.int64], settings: PrepareSettings, first_test_row: int | None) -> Splits:
    """Divide the rows `kept` (ascending numbers of rows) by a seeded permutation.

    Arguments:
        kept: (m,) rows that passed the checks.
        settings: seed and fractions; at least one row of a non-empty `kept` is held out for each purpose.
        first_test_row: rows from here on are the official test split; None where there is none, and then
            the test rows are drawn like the validation rows.

    Returns:
        the three splits, each (n,) and ascending, so that rows are read in the order they are stored.
    """
    if first_test_row is None:
        drawn = np.random.default_rng(settings.seed).permutation(kept)
        tests = _share(len(kept), settings.test_fraction)
        test, rest = drawn[:tests], drawn[tests:]
    else:
        test = kept[kept >= first_test_row]
        rest = np.random.default_rng(settings.seed).permutation(kept[kept < first_test_row])
    held_out = _share(len(kept) if first_test_row is None else len(rest), settings.validation_fraction)
    validation, train = rest[:held_out], rest[held_out:]
    return {"train": np.sort(train), "validation": np.sort(validation), "test": np.sort(test)}


def without_duplicates(
    splits: Splits, digests: NDArray[np.uint64], locate: Callable[[int], str], findings: Findings
) -> Splits:
    """The splits without held-out rows that repeat a row of an earlier split (training, then validation).

    Arguments:
        splits: rows of each split.
        digests: (rows,) a hash of each row's content.
        locate: says where row i is.
        findings: gets the number of such rows, and where some of them and their twins are.
    """
    cleaned: Splits = {"train": splits["train"]}
    seen = splits["train"]
    held_out: tuple[Split, ...] = ("validation", "test")
    for split in held_out:
        rows = splits[split]
        repeated = np.isin(digests[rows], digests[seen])
        if repeated.any():
            pairs = [f"{locate(row)} = {locate(_twin(row, seen, digests))}" for row in rows[repeated][:3]]
            findings.add(DUPLICATES, *pairs, count=int(repeated.sum()))
        cleaned[split] = rows[~repeated]
        seen = np.concatenate([seen, rows])
    return cleaned


def _share(rows: int, fraction: float) -> int:
    return min(rows, max(1, round(rows * fraction)))


def _twin(row: int, seen: NDArray[np.int64], digests: NDArray[np.uint64]) -> int:
    return int(seen[np.argmax(digests[seen] == digests[row])])
