"""The rows of `make bench-training` as the table of docs/speed.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.harness import Row
from benchmarks.pages import DOCS, write_table

PAGE = DOCS / "speed.md"


def write_page(found: Sequence[Row], when: str, page: Path = PAGE) -> None:
    """Put the table into a page between its markers; the text around it stays.

    Args:
        found: the rows of a whole run.
        when: its day.
        page: which, by default docs/speed.md.
    """
    lines = [
        "| row | ours | to reach | both sides: median (interquartile range, rounds) | compared with |",
        "|---|---|---|---|---|",
        *(_line(row) for row in found),
        "",
        f"Measured {when}.",
    ]
    write_table(page, "training", lines)


def _line(row: Row) -> str:
    sign = "≤" if row.better == "lower" else "≥"
    ours = f"{row.value:.3g} {row.unit}{'' if row.reached else ' (missed)'}"
    sides = "; ".join(f"{name}: {_side(side)}" for name, side in row.sides.items())
    return f"| `{row.name}` | {ours} | {sign} {row.goal:.3g} | {sides} | {row.peer or ''} |"


def _side(side: Mapping[str, float]) -> str:
    if "median" in side:
        return f"{side['median']:.3g} ({side['spread']:.2g}, {side['rounds']:g})"
    return ", ".join(f"{name} {value:.4g}" for name, value in side.items())
