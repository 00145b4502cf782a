"""Which row is trained on, which is held out: frozen by the seed, and by the row's content where a source may grow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flows.steps.datasets.record import PrepareSettings, Split

Splits = dict[Split, NDArray[np.int64]]


def split_by_content(kept: NDArray[np.int64], digests: NDArray[np.uint64], settings: PrepareSettings) -> Splits:
    """Divide the rows `kept` by a hash of what is in them.

    A row is in the same split whatever else the source holds, today and after it has grown: what a model was trained
    on is never what a later one is judged by, and equal rows are never on two sides. The shares are those asked for but
    for chance (of 1,000 rows 100 ± 9 are test rows).

    Arguments:
        kept: (m,) rows that passed the checks, ascending.
        digests: (rows,) a hash of each row's content.
        settings: seed and fractions; at least one row is held out for each purpose where there are three.

    Returns:
        the three splits, each (n,) and ascending, so that rows are read in the order they are stored.
    """
    different, which = np.unique(digests[kept], return_inverse=True)
    place = _evenly(different, settings.seed)
    ends = settings.test_fraction, settings.test_fraction + settings.validation_fraction
    chosen = np.searchsorted(ends, place, side="right")
    nearest = np.argsort(place, kind="stable")
    for split in (0, 1):
        # So few rows that chance holds out none: the first that it would have.
        if len(different) > split and not (chosen == split).any():
            chosen[nearest[split]] = split
    test, validation, train = (kept[chosen[which] == split] for split in range(3))
    return {"train": train, "validation": validation, "test": test}


def split_at_random(kept: NDArray[np.int64], settings: PrepareSettings, first_test_row: int | None) -> Splits:
    """Divide the rows `kept` by a seeded permutation: for public datasets, which never grow.

    Arguments:
        kept: (m,) rows that passed the checks, ascending.
        settings: seed and fractions; at least one row of a non-empty `kept` is held out for each purpose.
        first_test_row: rows from here on are the official test split; None where there is none, and then
            the test rows are drawn like the validation rows.

    Returns:
        as `split_by_content`.
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


def copies_across(splits: Splits, digests: NDArray[np.uint64]) -> int:
    """How many held-out rows repeat a row of an earlier split (training, then validation).

    Arguments:
        splits: rows of each split.
        digests: (rows,) a hash of each row's content.
    """
    seen = np.isin(digests[splits["validation"]], digests[splits["train"]]).sum()
    before = np.concatenate([splits["train"], splits["validation"]])
    return int(seen + np.isin(digests[splits["test"]], digests[before]).sum())


def _evenly(digests: NDArray[np.uint64], seed: int) -> NDArray[np.float64]:
    """A number in [0, 1) for each digest, another one for each seed (SplitMix64's finaliser, Steele et al. 2014)."""
    mixed = digests + np.uint64((seed * 0x9E3779B97F4A7C15) % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    # The upper 53 bits are what a double holds.
    return (mixed >> np.uint64(11)) / 2.0**53


def _share(rows: int, fraction: float) -> int:
    return min(rows, max(1, round(rows * fraction)))
