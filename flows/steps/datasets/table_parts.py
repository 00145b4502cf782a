"""One Parquet or CSV file, read batch by batch."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from flows.steps.errors import SourceError
from flows.steps.validation import RAGGED_ROWS, Findings

_BLOCK_BYTES = 4 * 2**20
_BROKEN = (pa.ArrowException, OSError)


class TablePart(Protocol):
    """A file of a table. `untyped`: its columns are text until read; `rows` is 0 where it isn't known."""

    path: Path
    names: Sequence[str]
    untyped: bool
    rows: int

    def kind(self, name: str, /) -> Any:
        """The Arrow type of a column."""

    def batches(self, names: Sequence[str], rows: int) -> Iterator[Any]:
        """Arrow record batches of some columns, of about `rows` rows at most. Raises SourceError."""

    def source_row(self, row: int) -> int:
        """The number in the file, from 1 and without the header, of the row that was read as number `row`."""


def is_number_type(kind: Any) -> bool:
    """Whether an Arrow type is one of numbers or of yes and no."""
    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind))


class ParquetPart:
    """A Parquet file; only the wanted columns are decoded."""

    untyped = False

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = pa.parquet.ParquetFile(path)
        except _BROKEN as error:
            raise SourceError(f"{path}: truncated or not Parquet, expected a whole file ({_line(error)})") from error
        self._schema = self._file.schema_arrow
        self.names: Sequence[str] = self._schema.names
        self.rows = int(self._file.metadata.num_rows)

    def kind(self, name: str, /) -> Any:
        return self._schema.field(name).type

    def batches(self, names: Sequence[str], rows: int) -> Iterator[Any]:
        try:
            yield from self._file.iter_batches(batch_size=rows, columns=list(names))
        except _BROKEN as error:
            raise SourceError(f"{self.path}: damaged, expected whole Parquet ({_line(error)})") from error

    def source_row(self, row: int) -> int:
        return row + 1


class CsvPart:
    """A CSV file; rows with another number of cells than the header are left out and reported."""

    untyped = True
    rows = 0

    def __init__(self, path: Path, findings: Findings) -> None:
        self.path = path
        self._findings = findings
        self._left_out: list[int] = []
        first = self._first_line()
        self._has_header = not all(_is_number(cell) for cell in first)
        self.names: Sequence[str] = first if self._has_header else [f"f{i}" for i in range(len(first))]

    def kind(self, _name: str, /) -> Any:
        return pa.string()

    def batches(self, names: Sequence[str], rows: int) -> Iterator[Any]:
        # All columns are read as text: guessing types from the first block fails on whatever comes later.
        try:
            with pa.csv.open_csv(
                self.path,
                # One thread: only then are rows numbered.
                read_options=pa.csv.ReadOptions(
                    use_threads=False,
                    block_size=_BLOCK_BYTES,
                    autogenerate_column_names=not self._has_header,
                ),
                parse_options=pa.csv.ParseOptions(invalid_row_handler=self._leave_out),
                convert_options=pa.csv.ConvertOptions(
                    column_types={name: pa.string() for name in self.names},
                    include_columns=list(names),
                    strings_can_be_null=True,
                ),
            ) as reader:
                for batch in reader:
                    for start in range(0, batch.num_rows, rows):
                        yield batch.slice(start, rows)
        except _BROKEN as error:
            raise SourceError(f"{self.path}: cannot be read as CSV ({_line(error)})") from error

    def source_row(self, row: int) -> int:
        number = row + 1
        for left_out in self._left_out:
            number += left_out <= number
        return number

    def _leave_out(self, row: Any) -> str:
        number = row.number - self._has_header
        self._left_out.append(number)
        cells = f"{row.actual_columns} cells, expected {row.expected_columns}"
        self._findings.add(RAGGED_ROWS, f"{self.path.name} row {number} ({cells})")
        return "skip"

    def _first_line(self) -> list[str]:
        try:
            with self.path.open(newline="", encoding="utf-8-sig") as file:
                first = next((line for line in csv.reader(file) if line), None)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise SourceError(f"{self.path}: cannot be read as CSV in UTF-8 ({_line(error)})") from error
        if first is None:
            raise SourceError(f"{self.path}: is empty, expected a line of column names and rows of numbers")
        return first


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
