"""Checks on the collected rows: what is not finite, what never changes, and a hash to find twins by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.steps.datasets.collecting import MISSING, Collected
from flows.steps.datasets.row_digests import row_digests
from flows.steps.datasets.source import Layout, Progress, Reading
from flows.steps.validation import CONSTANT_COLUMNS, INFINITE, MISSING_LABELS, NOT_A_NUMBER, Findings


@dataclass(frozen=True)
class Screened:
    """Good rows (m,) ascending; good columns (k,) of vectors, None for images; a hash for every row (n,)."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64] | None
    digests: NDArray[np.uint64]


def screen(collected: Collected, reading: Reading, findings: Findings, on_progress: Progress) -> Screened:
    """Look at every row twice, chunk by chunk: for columns that carry nothing, then for the rows themselves.

    A column without two different finite values is constant; of vectors only: constant pixels are normal.
    Rows are judged by the good columns, so that one empty column does not condemn them all.
    """
    columns = _good_columns(collected.rows, reading, findings) if reading.layout.kind == "vector" else None
    total = len(collected.rows)
    good = np.ones(total, dtype=bool)
    digests = np.empty(total, dtype=np.uint64)
    for start, chunk in _chunks(collected.rows, reading.layout, columns):
        span = slice(start, start + len(chunk))
        digests[span] = row_digests(chunk)
        if chunk.dtype.kind == "f":
            good[span] = _finite_rows(chunk, start, columns, reading, findings)
        on_progress("check", span.stop, total)
    if collected.labels is not None:
        _refuse(good, collected.labels == MISSING, reading, findings)
    return Screened(np.flatnonzero(good), columns, digests)


def _good_columns(rows: NDArray[Any], reading: Reading, findings: Findings) -> NDArray[np.int64]:
    width = reading.layout.shape[0]
    lowest, highest = np.full(width, np.inf), np.full(width, -np.inf)
    for _, chunk in _chunks(rows, reading.layout, None):
        finite = np.isfinite(chunk)
        lowest = np.minimum(lowest, chunk.min(axis=0, where=finite, initial=np.inf))
        highest = np.maximum(highest, chunk.max(axis=0, where=finite, initial=-np.inf))
    dead = np.zeros(width, dtype=bool)
    dead[list(reading.dead_columns)] = True
    constant = ~(lowest < highest) & ~dead
    # One row makes every column constant; that there are too few rows is told elsewhere.
    if len(rows) > 1 and constant.any():
        findings.add(CONSTANT_COLUMNS, *(_column_name(reading, column) for column in np.flatnonzero(constant).tolist()))
        dead |= constant
    return np.flatnonzero(~dead)


def _finite_rows(
    chunk: NDArray[Any], start: int, columns: NDArray[np.int64] | None, reading: Reading, findings: Findings
) -> NDArray[np.bool_]:
    flat = chunk.reshape(len(chunk), -1)
    missing, infinite = np.isnan(flat), np.isinf(flat)
    has_missing = missing.any(axis=1)
    has_infinite = infinite.any(axis=1) & ~has_missing
    for kind, rows, cells in ((NOT_A_NUMBER, has_missing, missing), (INFINITE, has_infinite, infinite)):
        if rows.any():
            examples = [_cell(start + row, cells[row], columns, reading) for row in np.flatnonzero(rows)[:3]]
            findings.add(kind, *examples, count=int(rows.sum()))
    finite: NDArray[np.bool_] = ~(has_missing | has_infinite)
    return finite


def _refuse(good: NDArray[np.bool_], without_label: NDArray[np.bool_], reading: Reading, findings: Findings) -> None:
    if without_label.any():
        examples = [reading.locate(int(row)) for row in np.flatnonzero(without_label)[:3]]
        findings.add(MISSING_LABELS, *examples, count=int(without_label.sum()))
        good &= ~without_label


def _cell(row: int, cells: NDArray[np.bool_], columns: NDArray[np.int64] | None, reading: Reading) -> str:
    if columns is None:
        return reading.locate(row)
    return f"{reading.locate(row)} ({_column_name(reading, int(columns[np.argmax(cells)]))})"


def _column_name(reading: Reading, column: int) -> str:
    names = reading.layout.columns
    return f"column {column}" if names is None else f"column {names[column]}"


def _chunks(
    rows: NDArray[Any], layout: Layout, columns: NDArray[np.int64] | None
) -> Iterator[tuple[int, NDArray[Any]]]:
    for start in range(0, len(rows), layout.chunk_rows):
        chunk = rows[start : start + layout.chunk_rows]
        yield start, chunk if columns is None else chunk[:, columns]
