""".npy and .npz files: vectors (n, columns), images (n, height, width), grey, or (n, height, width, channels)."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.steps.datasets.source import Chunk, Layout, Piece, Reading
from flows.steps.errors import SourceError
from flows.steps.validation import Findings

_BROKEN = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError)


class ArraySource:
    """A `.npy`, memory-mapped, or an `.npz` with rows as `x` (or as its only array) and perhaps labels `y`.

    Images of uint8 stay so; everything else numeric becomes float32. Objects are never unpickled.
    """

    built_in = False

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self._path = path

    def lacks_labels(self) -> str | None:
        if self._path.suffix.lower() == ".npy":
            return "a .npy file, which has no place for labels"
        try:
            with zipfile.ZipFile(self._path) as archive:
                return None if "y.npy" in archive.namelist() else "a .npz file without an array y"
        except _BROKEN:
            # What is wrong with it is told when it is read.
            return None

    def pieces(self) -> Sequence[Piece]:
        return [Piece(self._path.suffix.lower(), self._path)]

    def read(self, _findings: Findings, /) -> Reading:
        """Check shapes and kinds, and begin to convert.

        Raises:
            SourceError: the file is truncated, holds objects, text, wrong axes, or labels that do not fit.
        """
        rows, labels = self._load()
        layout = self._layout(rows)
        if labels is not None:
            labels = self._checked_labels(labels, len(rows))
        return Reading(layout, _chunks(rows, labels, layout), len(rows), lambda row: f"row {row}")

    def _load(self) -> tuple[NDArray[Any], NDArray[Any] | None]:
        try:
            # Opened here: numpy leaves a file open that turns out to be damaged.
            with self._path.open("rb") as file:
                start = file.read(6)
                file.seek(0)
                if self._path.suffix.lower() == ".npy":
                    self._demand(start == b"\x93NUMPY", "is not a .npy file", "one that numpy.save wrote")
                    return np.load(self._path, mmap_mode="r", allow_pickle=False), None
                self._demand(start.startswith(b"PK"), "is not a .npz file", "one that numpy.savez wrote")
                with np.load(file, allow_pickle=False) as archive:
                    return self._pick(archive)
        except _BROKEN as error:
            if "object" in str(error).lower():
                raise SourceError(f"{self._path}: holds Python objects, expected numbers") from error
            raise SourceError(f"{self._path}: truncated or damaged, expected a whole file ({error})") from error

    def _pick(self, archive: Any) -> tuple[NDArray[Any], NDArray[Any] | None]:
        others = [name for name in archive.files if name != "y"]
        name = "x" if "x" in others else others[0] if len(others) == 1 else None
        held = ", ".join(archive.files) or "nothing"
        if name is None:
            raise SourceError(f"{self._path}: holds {held}, expected an array x, or one array, and optionally y")
        return archive[name], archive["y"] if "y" in archive.files else None

    def _layout(self, rows: NDArray[Any]) -> Layout:
        self._demand(rows.dtype.kind in "buif", f"holds {rows.dtype}", "real numbers")
        fits = rows.ndim in (2, 3) or (rows.ndim == 4 and rows.shape[3] in (2, 3, 4))
        expected = "(rows, columns), (rows, height, width) or (rows, height, width, 2 to 4 channels)"
        self._demand(fits and 0 not in rows.shape[1:], f"has shape {rows.shape}", expected)
        if rows.ndim == 2:
            columns = tuple(str(column) for column in range(rows.shape[1]))
            return Layout("vector", rows.shape[1:], "float32", columns=columns)
        if rows.dtype == np.uint8:
            return Layout("image", rows.shape[1:], "uint8", (0.0, 255.0))
        return Layout("image", rows.shape[1:], "float32")

    def _checked_labels(self, labels: NDArray[Any], count: int) -> NDArray[Any]:
        self._demand(labels.shape == (count,), f"y has shape {labels.shape}", f"({count},), one label a row")
        if labels.dtype.kind == "f" and np.array_equal(labels, np.round(labels)):
            labels = labels.astype(np.int64)
        self._demand(labels.dtype.kind in "buiU", f"y holds {labels.dtype}", "whole numbers or text")
        return labels

    def _demand(self, holds: bool, came: str, expected: str) -> None:
        if not holds:
            raise SourceError(f"{self._path}: {came}, expected {expected}")


def _chunks(rows: NDArray[Any], labels: NDArray[Any] | None, layout: Layout) -> Iterator[Chunk]:
    for start in range(0, len(rows), layout.chunk_rows):
        span = slice(start, start + layout.chunk_rows)
        # A float64 beyond float32 becomes infinite, and is reported as such.
        with np.errstate(over="ignore"):
            chunk = rows[span].astype(layout.dtype)
        yield Chunk(chunk, None if labels is None else labels[span])
