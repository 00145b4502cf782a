"""Which rows the champion's dataset did not have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64, UInt64

from flows.steps.datasets import Dataset, Split, open_dataset
from flows.steps.datasets.record import SPLITS, DatasetRecord
from flows.steps.datasets.row_digests import row_digests
from flows.steps.errors import DatasetError

_SEED = 0


@dataclass(frozen=True)
class Growth:
    """How a source has grown since the champion learned from it, by the content of its rows.

    added: rows more than before, copies of known ones too. fresh: contents that were not there. expected_copies: the
    share of added rows that repeat others where nothing but chance decides: one less the share of rows that were the
    only one of their kind (Good 1953).
    """

    added: int
    fresh: int
    expected_copies: float


@dataclass(frozen=True)
class News:
    """The rows that the champion is asked about: (m,) indices of each split, which ones they are in words, and growth,
    statistics and all else that is known only where the champion's dataset is still in the home."""

    indices: dict[Split, Int64[np.ndarray, " rows"]]
    words: str
    growth: Growth | None = None
    before: DatasetRecord | None = None

    @property
    def count(self) -> int:
        """How many they are."""
        return sum(len(chosen) for chosen in self.indices.values())

    def sample(self, dataset: Dataset, most: int) -> Float32[np.ndarray, "rows ..."]:
        """A fixed sample of at most so many of them, in the data's own units."""
        generator = np.random.default_rng(_SEED)
        drawn = np.sort(generator.permutation(self.count)[:most])
        ends = np.cumsum([0, *(len(self.indices[split]) for split in SPLITS)])
        parts = [
            dataset.rows(split)[self.indices[split][drawn[(drawn >= start) & (drawn < stop)] - start]]
            for split, start, stop in zip(SPLITS, ends, ends[1:], strict=False)
        ]
        rows: Float32[np.ndarray, "rows ..."] = np.concatenate(parts).astype(np.float32)
        return rows


def news_of(dataset: Dataset, home: Path, champions_fingerprint: str) -> News:
    """What is new in a dataset whose rows are of the champion's shape.

    Where the champion's own dataset is in the home: the rows whose content it did not have. Else all held-out rows: the
    champion has learned from none of them.
    """
    known = _champions(home, champions_fingerprint, dataset)
    if known is None:
        held_out: dict[Split, Int64[np.ndarray, " rows"]] = {
            split: np.arange(0 if split == "train" else dataset.record.rows[split]) for split in SPLITS
        }
        count = sum(map(len, held_out.values()))
        return News(held_out, f"all {count:,} held-out rows, as the champion's own dataset is no longer in the home")
    before = np.concatenate([row_digests(known.rows(split)) for split in SPLITS])
    now = {split: row_digests(dataset.rows(split)) for split in SPLITS}
    fresh: dict[Split, Int64[np.ndarray, " rows"]] = {
        split: np.flatnonzero(~np.isin(digests, before)) for split, digests in now.items()
    }
    count = sum(map(len, fresh.values()))
    words = f"{count:,} rows that the champion's dataset did not have"
    return News(fresh, words, _growth(before, np.concatenate(list(now.values()))), known.record)


def _champions(home: Path, fingerprint: str, dataset: Dataset) -> Dataset | None:
    try:
        known = open_dataset(home / "datasets" / fingerprint)
    except DatasetError:
        return None
    alike = (known.record.shape, known.record.dtype) == (dataset.record.shape, dataset.record.dtype)
    return known if alike else None


def _growth(before: UInt64[np.ndarray, " rows"], now: UInt64[np.ndarray, " more"]) -> Growth:
    kinds_before, times_before = np.unique(before, return_counts=True)
    kinds_now, times_now = np.unique(now, return_counts=True)
    place: Any = np.searchsorted(kinds_before, kinds_now).clip(0, len(kinds_before) - 1)
    known = kinds_before[place] == kinds_now
    more = times_now - np.where(known, times_before[place], 0)
    only_ones = int((times_before == 1).sum())
    return Growth(
        added=int(more.clip(0).sum()),
        fresh=int((~known).sum()),
        expected_copies=1 - only_ones / len(before),
    )
