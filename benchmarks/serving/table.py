"""The rows of `make bench-serving`, and every side's own figures, as the tables of docs/serving-speed.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.harness import Row, commit
from benchmarks.pages import DOCS, write_table
from benchmarks.serving.run import Measured
from benchmarks.serving.trials import Rounds, Trial

PAGE = DOCS / "serving-speed.md"


def write_page(found: Sequence[Row], measured: Measured, when: str, page: Path = PAGE) -> None:
    """Put both tables into a page between its markers; the text around them stays.

    Args:
        found: the rows of a whole run.
        measured: what they were made of.
        when: its day.
        page: which, by default docs/serving-speed.md.
    """
    left_out = [f"Left out: {side}: {why}" for side, why in measured.left_out.items()]
    lines = [
        "| row | ours | to reach | each side: median (interquartile range, rounds); failed requests | compared with |",
        "|---|---|---|---|---|",
        *(_line(row) for row in found),
        "",
        "Every side's own figures, medians over the rounds:",
        "",
        "| side | asked | answers/s (interquartile range) | p50 ms | p99 ms | failed |",
        "|---|---|---|---|---|---|",
        *_own_figures(measured.trials, measured.names),
        "",
        f"Measured {when} at {commit()} on {machine()}.",
        *left_out,
    ]
    write_table(page, "serving", lines)


def machine() -> str:
    """Processor, cores and system of this machine."""
    told = Path("/proc/cpuinfo").read_text("utf-8") if Path("/proc/cpuinfo").is_file() else ""
    models = [line.partition(":")[2].strip() for line in told.splitlines() if line.startswith("model name")]
    name = models[0] if models else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def _own_figures(trials: Mapping[Trial, Rounds], names: Mapping[str, str]) -> Iterator[str]:
    for trial, rounds in sorted(trials.items(), key=lambda entry: entry[0].kind):
        side, rate = names.get(trial.side, trial.side), rounds.rate
        latencies = f"{rounds.p50_ms.median:.3g} | {rounds.p99_ms.median:.3g}"
        yield f"| {side} | {trial.kind} | {rate.median:,.0f} ({rate.spread:,.0f}) | {latencies} | {rounds.failed} |"


def _line(row: Row) -> str:
    sign = "≤" if row.better == "lower" else "≥"
    ours = f"{row.value:.3g} {row.unit}{'' if row.reached else ' (missed)'}"
    sides = "; ".join(f"{name}: {_side(side)}" for name, side in row.sides.items())
    return f"| `{row.name}` | {ours} | {sign} {row.goal:.3g} | {sides} | {row.peer or ''} |"


def _side(side: Mapping[str, float]) -> str:
    if "median" not in side:
        return ", ".join(f"{name} {value:.4g}" for name, value in side.items())
    told = f"{side['median']:.4g} ({side['spread']:.2g}, {side['rounds']:g})"
    return f"{told}, {side['failed']:g} failed" if "failed" in side else told
