"""`make bench-serving`: our service beside its peers, into benchmarks/results/serving.json and docs/serving-speed.md.

`--quick` shows in two minutes that it runs: fewer peers, rounds and swaps. `--only ROW` keeps to some rows and
publishes nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.harness import Row, publish
from benchmarks.serving import rows, starts, swaps
from benchmarks.serving.load import require_wrk
from benchmarks.serving.run import HOME, Measured, released, run_trials
from benchmarks.serving.sides import credentials
from benchmarks.serving.table import write_page
from service.release.home import Home

ROWS = (*rows.ROWS, starts.READY, starts.MEMORY, swaps.FAILED, swaps.GROWTH)


@dataclass(frozen=True)
class Pace:
    """How much is measured, and beside whom."""

    rounds: int
    seconds: int
    starts: int
    swaps: int
    left_out: tuple[str, ...] = ()


_WHOLE = Pace(rounds=5, seconds=3, starts=5, swaps=100)
_QUICK = Pace(rounds=2, seconds=1, starts=2, swaps=20, left_out=("MLServer", "Triton", "BentoML", "FastAPI, 2 workers"))


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(prog="make bench-serving", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two minutes: fewer peers, rounds and swaps")
    parser.add_argument(
        "--only", nargs="*", metavar="ROW", choices=ROWS, help=f"of {', '.join(ROWS)}: published nowhere"
    )
    arguments = parser.parse_args()
    require_wrk()
    pace = _QUICK if arguments.quick else _WHOLE
    if arguments.only:
        pace = dataclasses.replace(pace, left_out=())
    found, measured = measure(arguments.only or ROWS, pace)
    if arguments.only:
        for row in found:
            print(f"{row.name}: {row.value:.4g} {row.unit} (goal {row.goal:g})", flush=True)
        return
    publish("serving-quick" if arguments.quick else "serving", found, left_out_rows(measured))
    if not arguments.quick:
        write_page(found, measured, datetime.now(UTC).date().isoformat())


def measure(names: Sequence[str], pace: Pace) -> tuple[list[Row], Measured]:
    """Rows by their names, in the table's order; those of a peer that cannot be had are missing."""
    releases, home = released(), Home(HOME)
    headers = credentials(home)
    found: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="manifold-bench-") as scratch:
        folder = Path(scratch)
        # First: nothing else runs yet whose pages could be shared.
        if {starts.READY, starts.MEMORY} & set(names):
            found += starts.start_rows(home, folder, headers, pace.starts)
        wanted = dict.fromkeys(trial for name in names if name in rows.ROWS for trial in rows.trials_of(name))
        trials = [trial for trial in wanted if trial.side not in pace.left_out]
        measured = run_trials(trials, releases[0], folder, headers, rounds=pace.rounds, seconds=pace.seconds)
        found += rows.rows_of(measured.trials, measured.names)
        if {swaps.FAILED, swaps.GROWTH} & set(names):
            found += swaps.swap_rows(home, folder, headers, releases, pace.swaps)
    return sorted((row for row in found if row.name in names), key=lambda row: ROWS.index(row.name)), measured


def left_out_rows(measured: Measured) -> dict[str, str]:
    """Each row that could not be measured, and why."""
    return {name: measured.left_out[one.peer] for name, one in rows.RATIOS.items() if one.peer in measured.left_out}


if __name__ == "__main__":
    main()
