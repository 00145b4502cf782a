"""Parquet and CSV as a source."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.steps.datasets import Dataset
from flows.steps.errors import BadDataError, SourceError

Prepare = Callable[..., Dataset]


def _lines(rows: int, first: int = 0) -> list[str]:
    return [f"{i}, {i * 0.5} ,{(i * 37) % 101},{'odd' if i % 2 else 'even'}" for i in range(first, first + rows)]


def test_a_csv_becomes_vectors_and_its_label_column_labels(prepare: Prepare, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["\ufeffa,b,c,parity", *_lines(60)]), encoding="utf-8")

    dataset = prepare(path, label_column="parity")

    record, labels = dataset.record, dataset.labels("train")
    assert (record.kind, record.shape, record.columns) == ("vector", (3,), ("a", "b", "c"))
    assert record.label_names == ("even", "odd")
    assert labels is not None
    rows = dataset.rows("train")
    assert np.array_equal(rows[:, 1], rows[:, 0] / 2)
    assert np.array_equal(labels, rows[:, 0] % 2)


def test_a_csv_without_names_loses_no_row(prepare: Prepare, tmp_path: Path) -> None:
    path = tmp_path / "bare.csv"
    path.write_text("\n".join(f"{i},{i * i}" for i in range(60)))

    record = prepare(path).record

    assert sum(record.rows.values()) == 60
    assert record.columns == ("f0", "f1")


def test_every_problem_of_a_table_is_told_in_one_report(prepare: Prepare, tmp_path: Path) -> None:
    with pytest.raises(BadDataError) as refused:
        prepare(_spoilt_csv(tmp_path))

    told = {p.kind.name: (p.count, p.examples[0]) for p in refused.value.report.problems}
    assert told == {
        "rows with too many or too few cells": (1, "t.csv row 3 (2 cells, expected 5)"),
        "non-numeric columns": (1, "parity ('even')"),
        "constant columns": (1, "column k"),
        "rows with NaN or empty cells": (2, "row 5 (column a)"),
        "rows with infinite values": (1, "row 7 (column b)"),
    }
    table = str(refused.value).splitlines()
    assert table[1].split() == ["PROBLEM", "HOW", "MANY", "FOR", "INSTANCE", "WHAT", "TO", "DO"]
    starts = {
        line.index(problem.what_to_do) for line, problem in zip(table[2:], refused.value.report.problems, strict=True)
    }
    assert starts == {table[1].index("WHAT TO DO")}


def test_skip_bad_drops_bad_rows_and_columns_of_a_table_and_counts_them(prepare: Prepare, tmp_path: Path) -> None:
    record = prepare(_spoilt_csv(tmp_path), skip_bad=True).record

    assert record.columns == ("a", "b", "c")
    assert sum(record.rows.values()) == 100 - 1 - 2 - 1
    assert record.tolerated["rows that repeat another"] >= 1
    assert record.dropped["constant columns"] == 1
    assert record.dropped["non-numeric columns"] == 1


def test_parts_of_a_folder_are_one_table(prepare: Prepare, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    for part in range(3):
        numbers = np.arange(part * 40, part * 40 + 40)
        columns = {
            "whole": numbers,
            "yes": numbers % 3 == 0,
            "money": [decimal.Decimal(int(n)) / 4 for n in numbers],
            "half": (numbers / 2).astype(np.float16),
            "kind": (numbers % 4).astype(float),
        }
        pq.write_table(pa.table(columns), folder / f"part-{part}.parquet")

    dataset = prepare(folder, label_column="kind")

    assert sum(dataset.record.rows.values()) == 120
    assert dataset.record.columns == ("whole", "yes", "money", "half")
    assert dataset.record.label_names == ("0", "1", "2", "3")
    rows, labels = dataset.rows("train"), dataset.labels("train")
    assert np.array_equal(rows[:, 2], rows[:, 0] / 4)
    assert np.array_equal(rows[:, 3], rows[:, 0] / 2)
    assert labels is not None
    assert np.array_equal(labels, rows[:, 0] % 4)


def test_a_bad_row_is_named_by_its_part(prepare: Prepare, tmp_path: Path) -> None:
    for part in range(2):
        lines = _lines(40, first=40 * part)
        lines[10] = lines[10] if part == 0 else ",1,2,odd"
        (tmp_path / f"part-{part}.csv").write_text("\n".join(["a,b,c,parity", *lines]))

    with pytest.raises(BadDataError, match=r"part-1\.csv row 11 \(column a\)"):
        prepare(tmp_path, label_column="parity")


def test_rows_without_a_label_are_reported(prepare: Prepare, tmp_path: Path) -> None:
    lines = [*_lines(60), "60,30,7,"]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,c,parity", *lines]))

    with pytest.raises(BadDataError, match=r"rows without a label +1 row +row 61"):
        prepare(tmp_path / "t.csv", label_column="parity")


def test_a_label_column_that_is_not_there_is_named_with_those_that_are(prepare: Prepare, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("\n".join(["a,b,c,parity", *_lines(60)]))

    with pytest.raises(SourceError, match=r"label_column: 'colour' .* expected one of a, b, c, parity"):
        prepare(tmp_path / "t.csv", label_column="colour")
    with pytest.raises(SourceError, match="label_column: 'colour' was given, and 'digits' is no table"):
        prepare("digits", label_column="colour")


def test_parts_with_other_columns_are_refused_by_name(prepare: Prepare, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text("x,z\n1,2\n")

    with pytest.raises(SourceError, match=r"b\.csv: has columns x, z, expected x, y"):
        prepare(tmp_path)


@pytest.mark.parametrize("kept", [0, 3, 200, -1])
def test_a_truncated_parquet_is_refused(prepare: Prepare, tmp_path: Path, kept: int) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": np.arange(500)}), path)
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(SourceError, match=r"t\.parquet: truncated or not Parquet"):
        prepare(path)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe\x00\x00", b"a,a\n1,2\n"])
def test_a_csv_that_is_none_is_refused(prepare: Prepare, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)

    with pytest.raises(SourceError, match=r"t\.csv: "):
        prepare(path)


def _spoilt_csv(folder: Path) -> Path:
    """100 rows: one ragged, two without a number, one infinite, one constant column, one of text, copies."""
    lines = [f"{line},7" for line in _lines(60)]
    lines[2] = "1,2"
    lines[4] = ",1,2,odd,7"
    lines[6] = "1,inf,2,odd,7"
    lines[8] = "1,2,NaN,odd,7"
    lines += [lines[20]] * 40
    path = folder / "t.csv"
    path.write_text("\n".join(["a,b,c,parity,k", *lines]))
    return path
