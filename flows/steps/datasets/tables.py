"""Parquet and CSV: one file or a folder of parts alike; each numeric column is one entry of a vector."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from flows.steps.datasets.source import Chunk, Layout, Piece, Reading
from flows.steps.datasets.table_parts import CsvPart, ParquetPart, TablePart, is_number_type
from flows.steps.errors import BadDataError, SourceError
from flows.steps.validation import NOT_NUMERIC, Findings


def is_table(path: Path) -> bool:
    """Whether a file is called like a table that is read."""
    return path.suffix.lower() in {".parquet", ".csv"}


class TableSource:
    """Numeric columns as vectors of float32, in the order of the first part; `label_column` apart from them.

    CSV: comma-separated UTF-8 with names in the first line (a first line of nothing but numbers is data); an
    empty cell is a missing value.
    """

    built_in = False

    def __init__(self, name: str, paths: Sequence[Path], label_column: str | None) -> None:
        self.name = name
        self._paths = paths
        self._label_column = label_column

    def lacks_labels(self) -> str | None:
        return "a table without label_column" if self._label_column is None else None

    def pieces(self) -> Sequence[Piece]:
        return [Piece(f"{number}{path.suffix.lower()}", path) for number, path in enumerate(self._paths)]

    def read(self, findings: Findings, /) -> Reading:
        """Compare the columns of all parts, and begin to convert.

        Raises:
            SourceError: a part is truncated or has other columns, or there is no such label column.
            BadDataError: no column can be numeric.
        """
        parts = [_open(path, findings) for path in self._paths]
        names = parts[0].names
        self._check_names(parts)
        numeric: list[str] = []
        for name in names:
            kinds = [part.kind(name) for part in parts]
            if name == self._label_column:
                continue
            if all(is_number_type(kind) or part.untyped for part, kind in zip(parts, kinds, strict=True)):
                numeric.append(name)
            else:
                findings.add(NOT_NUMERIC, f"{name} ({kinds[0]})")
        if not numeric:
            raise BadDataError(findings.report(self.name))
        layout = Layout("vector", (len(numeric),), "float32", columns=tuple(numeric))
        starts: list[int] = []
        reading = Reading(layout, iter(()), sum(part.rows for part in parts), lambda row: _where(parts, starts, row))
        reading.chunks = _chunks(parts, starts, reading, self._label_column, findings)
        return reading

    def _check_names(self, parts: Sequence[TablePart]) -> None:
        names, label_column = parts[0].names, self._label_column
        if label_column is not None and label_column not in names:
            raise SourceError(f"label_column: {label_column!r} is not in {self.name}, expected one of {_listed(names)}")
        for part in parts:
            if len(set(part.names)) < len(part.names):
                raise SourceError(
                    f"{part.path}: two columns have the same name, expected each once: {_listed(part.names)}"
                )
            if sorted(part.names) != sorted(names):
                raise SourceError(f"{part.path}: has columns {_listed(part.names)}, expected {_listed(names)}")


def _open(path: Path, findings: Findings) -> TablePart:
    return ParquetPart(path) if path.suffix.lower() == ".parquet" else CsvPart(path, findings)


def _chunks(
    parts: Sequence[TablePart],
    starts: list[int],
    reading: Reading,
    label_column: str | None,
    findings: Findings,
) -> Iterator[Chunk]:
    numeric = reading.layout.columns or ()
    wanted = [*numeric, *([label_column] if label_column else [])]
    count = 0
    for part in parts:
        starts.append(count)
        for batch in part.batches(wanted, reading.layout.chunk_rows):
            rows = np.empty((batch.num_rows, len(numeric)), dtype=np.float32)
            for index, name in enumerate(numeric):
                rows[:, index] = _numbers(batch.column(name), name, index, reading, findings)
            labels = None if label_column is None else _labels(batch.column(label_column))
            count += len(rows)
            yield Chunk(rows, labels)


def _numbers(column: Any, name: str, index: int, reading: Reading, findings: Findings) -> NDArray[np.float32]:
    """One column as float32, missing cells as NaN; all NaN from where a CSV column turns out to be text."""
    if index in reading.dead_columns:
        return np.full(len(column), np.nan, dtype=np.float32)
    if pa.types.is_string(column.type):
        column = pc.utf8_trim_whitespace(column)
    try:
        numbers: NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        reading.dead_columns.add(index)
        findings.add(NOT_NUMERIC, f"{name} ({_first_text(column)!r})")
        return np.full(len(column), np.nan, dtype=np.float32)
    # A float64 beyond float32 becomes infinite, and is reported as such.
    with np.errstate(over="ignore"):
        return numbers.astype(np.float32)


def _first_text(column: Any) -> str:
    for cell in column.to_pylist():
        try:
            pa.scalar(cell, pa.string()).cast(pa.float64())
        except pa.ArrowInvalid:
            return str(cell)
    return "text"


def _labels(column: Any) -> Any:
    if pa.types.is_floating(column.type) and pc.all(pc.equal(pc.round(column), column)).as_py():
        return column.cast(pa.int64())
    return column.cast(pa.string())


def _where(parts: Sequence[TablePart], starts: Sequence[int], row: int) -> str:
    number = bisect.bisect_right(starts, row) - 1
    within = parts[number].source_row(row - starts[number])
    return f"row {within}" if len(parts) == 1 else f"{parts[number].path.name} row {within}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
