"""Measures and publishes every row, in benchmarks/results/; `--only NAME` keeps to some and publishes nothing."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable

from benchmarks.harness import Row, publish
from benchmarks.retraining.drift import drift_rows
from benchmarks.retraining.nothing_changed import noop_rows
from benchmarks.retraining.promotions import promotion_rows
from benchmarks.retraining.schedules import quick_schedule_rows, schedule_rows

_GROUPS: dict[str, Callable[[], Iterable[Row]]] = {
    "drift": drift_rows,
    "nothing_changed": noop_rows,
    "promotions": promotion_rows,
    "schedules": schedule_rows,
}

# Instead of those above, where a full one takes minutes; none is published.
_QUICK: dict[str, Callable[[], Iterable[Row]]] = {"schedules": quick_schedule_rows}


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(prog="make bench-retraining", description=__doc__)
    parser.add_argument("--only", nargs="*", choices=tuple(_GROUPS), help="groups of rows; none is published")
    parser.add_argument("--quick", action="store_true", help="short forms where there are some; none is published")
    arguments = parser.parse_args()
    wanted, groups = arguments.only, _GROUPS | (_QUICK if arguments.quick else {})
    rows: list[Row] = []
    for name, measure in groups.items():
        if wanted and name not in wanted:
            continue
        for row in measure():
            print(f"{row.name}: {row.value:.4g} {row.unit} (goal {row.goal:g})", flush=True)
            rows.append(row)
    if not wanted and not arguments.quick:
        publish("retraining", rows)


if __name__ == "__main__":
    main()
