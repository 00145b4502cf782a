"""What a benchmark publishes, and where: files and pages that a part of a run must not overwrite."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import harness
from benchmarks.harness import Row
from benchmarks.pages import DOCS, PageError, write_table
from benchmarks.papers.__main__ import publish_whole
from benchmarks.training.table import write_page

ROW = Row(
    "epoch_over_pythae",
    0.5,
    "ratio",
    0.7,
    "lower",
    "pythae",
    sides={
        "ours": {"median": 1.0, "spread": 0.125, "rounds": 7},
        "pythae": {"median": 2.0, "spread": 0.25, "rounds": 7},
    },
)
MISSED = Row("rows_slope", 1.5, "exponent", 1.05, "lower")


@pytest.mark.parametrize(
    ("quick", "only", "written"), [(False, None, ["papers.json"]), (True, [], ["papers-quick.json"])]
)
def test_a_whole_run_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: bool, only: list[str] | None, written: list[str]
) -> None:
    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    publish_whole([ROW], quick=quick, only=only)
    assert [path.name for path in tmp_path.iterdir()] == written
    assert json.loads((tmp_path / written[0]).read_text())[0]["name"] == ROW.name


@pytest.mark.parametrize("quick", [False, True])
def test_a_part_of_a_run_is_told_and_leaves_what_was_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], quick: bool
) -> None:
    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    publish_whole([ROW], quick=quick, only=["dae1"])
    assert list(tmp_path.iterdir()) == []
    assert "epoch_over_pythae: 0.5 ratio" in capsys.readouterr().out


@pytest.mark.parametrize("benchmark", ["papers", "training"])
def test_the_pages_have_a_place_for_their_tables_and_keep_what_is_around_it(tmp_path: Path, benchmark: str) -> None:
    name = {"papers": "papers.md", "training": "speed.md"}[benchmark]
    page = tmp_path / name
    page.write_bytes((DOCS / name).read_bytes())
    before = page.read_text("utf-8")
    write_table(page, benchmark, ["| first |"])
    write_table(page, benchmark, ["| second |"])
    after = page.read_text("utf-8")
    start, end = f"<!-- the table, written by make bench-{benchmark} -->", "<!-- end of the table -->"
    assert after.split(start)[1].split(end)[0] == "\n| second |\n"
    assert (after.split(start)[0], after.split(end)[1]) == (before.split(start)[0], before.split(end)[1])


def test_a_page_without_a_place_for_the_table_is_refused_and_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("words")
    with pytest.raises(PageError, match=r"page\.md: no table"):
        write_table(page, "papers", ["| row |"])
    assert page.read_text() == "words"


def test_a_row_of_speed_says_both_sides_and_whether_it_was_reached(tmp_path: Path) -> None:
    page = tmp_path / "speed.md"
    page.write_bytes((DOCS / "speed.md").read_bytes())
    write_page([ROW, MISSED], "2026-01-01", page)
    lines = page.read_text("utf-8").splitlines()
    assert "| `epoch_over_pythae` | 0.5 ratio | ≤ 0.7 | ours: 1 (0.12, 7); pythae: 2 (0.25, 7) | pythae |" in lines
    assert "| `rows_slope` | 1.5 exponent (missed) | ≤ 1.05 |  |  |" in lines
    assert "Measured 2026-01-01." in lines
