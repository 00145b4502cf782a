"""The splits as .npy files, written and hashed in one pass, with the statistics of the training rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.steps.datasets.collecting import Collected
from flows.steps.datasets.record import SPLITS, FileRecord, Statistics
from flows.steps.datasets.source import Layout, Progress
from flows.steps.datasets.splitting import Splits


def write_splits(
    folder: Path,
    collected: Collected,
    splits: Splits,
    columns: NDArray[np.int64] | None,
    layout: Layout,
    on_progress: Progress,
) -> tuple[dict[str, FileRecord], Statistics]:
    """Write `{split}.npy` and, where there are labels, `labels_{split}.npy` into `folder`.

    Returns:
        size and hash of every file, and the statistics over the training split.

    Raises:
        OSError: the disk refused.
    """
    files: dict[str, FileRecord] = {}
    moments = _Moments(per_column=layout.kind == "vector")
    shape = layout.shape if columns is None else (len(columns),)
    total = sum(len(rows) for rows in splits.values())
    done = 0
    for split in SPLITS:
        rows = splits[split]
        with _NpyFile(folder / f"{split}.npy", (len(rows), *shape), collected.rows.dtype) as file:
            for chunk in _gather(collected.rows, rows, columns, layout.chunk_rows):
                file.append(chunk)
                if split == "train":
                    moments.add(chunk)
                done += len(chunk)
                on_progress("write", done, total)
        files[file.path.name] = file.record()
        if collected.labels is not None:
            with _NpyFile(folder / f"labels_{split}.npy", (len(rows),), np.dtype(np.int64)) as file:
                file.append(collected.labels[rows])
            files[file.path.name] = file.record()
    return files, moments.statistics()


def _gather(
    source: NDArray[Any], rows: NDArray[np.int64], columns: NDArray[np.int64] | None, chunk_rows: int
) -> Iterator[NDArray[Any]]:
    for start in range(0, len(rows), chunk_rows):
        chunk = source[rows[start : start + chunk_rows]]
        yield chunk if columns is None else np.ascontiguousarray(chunk[:, columns])


class _NpyFile:
    """Appends to a .npy of known shape.

    Ordinary writes, not a writable memory map: a full disk kills who maps, and tells who writes.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.path = path
        self._header = {
            "descr": np.lib.format.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": shape,
        }
        self._digest = hashlib.sha256()
        self._size = 0

    def __enter__(self) -> _NpyFile:
        self._file = self.path.open("wb")
        np.lib.format.write_array_header_1_0(self, self._header)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: bytes | memoryview) -> int:
        self._digest.update(data)
        self._size += len(data)
        return self._file.write(data)

    def append(self, rows: NDArray[Any]) -> None:
        self.write(np.ascontiguousarray(rows).data.cast("B"))

    def record(self) -> FileRecord:
        return FileRecord(size=self._size, sha256=self._digest.hexdigest())


class _Moments:
    """Mean and deviation merged chunk by chunk in float64, stable for any offset (Chan et al. 1979)."""

    def __init__(self, *, per_column: bool) -> None:
        self._per_column = per_column
        self._count = 0

    def add(self, chunk: NDArray[Any]) -> None:
        values = chunk.astype(np.float64).reshape(len(chunk) if self._per_column else -1, -1 if self._per_column else 1)
        count, mean = len(values), values.mean(axis=0)
        squares = ((values - mean) ** 2).sum(axis=0)
        lowest, highest = values.min(axis=0), values.max(axis=0)
        if not self._count:
            self._count, self._mean, self._squares = count, mean, squares
            self._lowest, self._highest = lowest, highest
            return
        together = self._count + count
        shift = mean - self._mean
        self._mean = self._mean + shift * count / together
        self._squares = self._squares + squares + shift**2 * self._count * count / together
        self._count = together
        self._lowest, self._highest = np.minimum(self._lowest, lowest), np.maximum(self._highest, highest)

    def statistics(self) -> Statistics:
        deviation = np.sqrt(self._squares / self._count)
        return Statistics(
            minimum=tuple(self._lowest.tolist()),
            maximum=tuple(self._highest.tolist()),
            mean=tuple(self._mean.tolist()),
            standard_deviation=tuple(deviation.tolist()),
        )
