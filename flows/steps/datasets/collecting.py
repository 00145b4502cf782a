"""Decoded rows go to one raw file as they come, whatever their number, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flows.steps.datasets.source import Progress, Reading

MISSING = -1


@dataclass(frozen=True)
class Collected:
    """All rows that could be decoded (n, *shape), memory-mapped; labels (n,), `MISSING` where none is."""

    rows: NDArray[Any]
    labels: NDArray[np.int64] | None
    label_names: tuple[str, ...] | None


def collect(reading: Reading, raw_file: Path, on_progress: Progress) -> Collected:
    """Use up the reading's chunks.

    Raises:
        SourceError: the source broke off while it was read.
        OSError: the disk refused.
    """
    book = _LabelBook()
    count = 0
    with raw_file.open("wb") as file:
        for chunk in reading.chunks:
            file.write(np.ascontiguousarray(chunk.rows).data)
            count += len(chunk.rows)
            if chunk.labels is not None:
                book.add(chunk.labels)
            on_progress("read", count, max(count, reading.total))
    shape = (count, *reading.layout.shape)
    dtype = np.dtype(reading.layout.dtype)
    # An empty file cannot be mapped.
    rows = np.memmap(raw_file, dtype=dtype, mode="r", shape=shape) if count else np.empty(shape, dtype)
    labels, names = book.close()
    if names is not None and reading.label_names is not None:
        names = tuple(reading.label_names[int(name)] for name in names)
    return Collected(rows, labels, names)


class _LabelBook:
    """Turns labels into numbers as they come; numbers follow the names' order, not that of meeting."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._chunks: list[NDArray[np.int64]] = []

    def add(self, labels: Sequence[object] | NDArray[Any]) -> None:
        encoded = pa.array(labels).dictionary_encode()
        met = [self._numbers.setdefault(str(name), len(self._numbers)) for name in encoded.dictionary.to_pylist()]
        table = np.array([*met, MISSING], dtype=np.int64)
        indices = encoded.indices.fill_null(len(met)).to_numpy(zero_copy_only=False)
        self._chunks.append(table[indices])

    def close(self) -> tuple[NDArray[np.int64] | None, tuple[str, ...] | None]:
        if not self._numbers:
            return None, None
        names = sorted(self._numbers, key=_by_number if all(map(_whole, self._numbers)) else None)
        table = np.empty(len(names) + 1, dtype=np.int64)
        table[[self._numbers[name] for name in names]] = np.arange(len(names))
        table[MISSING] = MISSING
        return table[np.concatenate(self._chunks)], tuple(names)


def _whole(name: str) -> bool:
    return name.removeprefix("-").isdecimal()


def _by_number(name: str) -> tuple[int, str]:
    return int(name), name
