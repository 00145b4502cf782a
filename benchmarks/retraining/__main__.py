"""Measures and publishes every row, in benchmarks/results/retraining.json. `--only NAME` publishes nothing."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable

from benchmarks.harness import Row, publish
from benchmarks.retraining.schedules import schedule_rows

_FAMILIES: dict[str, Callable[[bool], Iterable[Row]]] = {"schedules": schedule_rows}


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(prog="make bench-retraining", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short form of each; nothing is published")
    parser.add_argument("--only", nargs="*", choices=tuple(_FAMILIES), help="families of rows; none is published")
    arguments = parser.parse_args()
    rows: list[Row] = []
    for name, measure in _FAMILIES.items():
        if arguments.only and name not in arguments.only:
            continue
        for row in measure(arguments.quick):
            print(f"{row.name}: {row.value:.4g} {row.unit} (goal {row.goal:g})", flush=True)
            rows.append(row)
    if not arguments.only and not arguments.quick:
        publish("retraining", rows)


if __name__ == "__main__":
    main()
