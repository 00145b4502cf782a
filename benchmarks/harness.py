"""The one way figures are made: interleaved rounds, medians, spread, a table and a JSON file."""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from service.release.atomic import write_atomically

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Samples:
    """What one side gave, round by round."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        """Interquartile range; 0 for fewer than two values."""
        if len(self.values) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.values, n=4, method="inclusive")
        return high - low

    def as_side(self) -> dict[str, float]:
        """What a row keeps of it."""
        return {"median": self.median, "spread": self.spread, "rounds": len(self.values)}


@dataclass(frozen=True)
class Row:
    """One figure.

    Args:
        name: as the issue's or the documentation's table names it.
        value: the figure, in `unit`.
        goal: what it should reach.
        better: which direction is better.
        peer: what it is compared with, if anything.
        seed: of the run, where there is one.
        sides: for a ratio, the raw medians and spread of both sides.
    """

    name: str
    value: float
    unit: str
    goal: float
    better: Literal["lower", "higher"]
    peer: str | None = None
    seed: int | None = None
    sides: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def reached(self) -> bool:
        return self.value <= self.goal if self.better == "lower" else self.value >= self.goal


def interleave(sides: Mapping[str, Callable[[], float]], *, rounds: int) -> dict[str, Samples]:
    """Run every side once a round, the first to go changing from round to round, so that noise falls on all.

    Args:
        sides: name -> a measurement that returns its figure.
        rounds: how often each side is measured.
    """
    names = list(sides)
    values: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds if names else 0):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            values[name].append(sides[name]())
    return {name: Samples(tuple(measured)) for name, measured in values.items()}


def ratio(
    name: str,
    samples: Mapping[str, Samples],
    ours: str,
    peer: str,
    *,
    goal: float,
    better: Literal["lower", "higher"],
    seed: int | None = None,
) -> Row:
    """A row whose value is the median of `ours` over the median of `peer`; both sides are kept."""
    return Row(
        name=name,
        value=samples[ours].median / samples[peer].median,
        unit="ratio",
        goal=goal,
        better=better,
        peer=peer,
        seed=seed,
        sides={side: samples[side].as_side() for side in (ours, peer)},
    )


def publish(benchmark: str, rows: Sequence[Row], left_out: Mapping[str, str] | None = None) -> None:
    """Print the table and write `benchmarks/results/<benchmark>.json`.

    Args:
        benchmark: its name.
        rows: its figures.
        left_out: the names of rows that have none, and why.
    """
    made = {"when": datetime.now(UTC).isoformat(timespec="seconds"), "commit": commit()}
    records: list[dict[str, Any]] = []
    for row in rows:
        record = asdict(row) | made
        if not record["sides"]:
            del record["sides"]
        records.append(record)
    records += [{"name": name, "left_out": why} | made for name, why in (left_out or {}).items()]
    write_atomically(RESULTS / f"{benchmark}.json", json.dumps(records, indent=2).encode() + b"\n")
    table = Table(title=f"bench-{benchmark} at {made['commit']}")
    for heading in ("figure", "value", "unit", "goal", "reached"):
        table.add_column(heading)
    for row in rows:
        sign = "≤" if row.better == "lower" else "≥"
        table.add_row(row.name, f"{row.value:.4g}", row.unit, f"{sign} {row.goal:g}", "yes" if row.reached else "no")
    Console().print(table)


def commit() -> str:
    """The commit of this checkout, and whether the code differs from it."""
    here = Path(__file__).parent
    head = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=here, capture_output=True, text=True, check=False
    ).stdout.strip()
    # Results themselves may differ from the commit; the code they were made with may not.
    changed = subprocess.run(
        ["git", "status", "--porcelain", "--", "models", "service", "flows", "benchmarks/*.py"],
        cwd=here.parent,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return f"{head or 'none'}{'-changed' if changed else ''}"
