"""`make bench-papers`: trains what docs/papers.md lists, and writes the figures there and into benchmarks/results/.

Interrupted, the same command goes on where it was. `--quick` shows in minutes that everything runs. `--only NAME` keeps
to some protocols and publishes nothing.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.harness import Row, publish
from benchmarks.papers.choosing import Outcome, measure_protocols
from benchmarks.papers.protocols import PROTOCOLS, quickened
from benchmarks.papers.table import draw_levels, rows, write_page

# Beside the checkout's other working files: trainings are large and can be had again.
_HOME = Path(".manifold/papers")


def main() -> None:
    """Train, measure and publish."""
    parser = argparse.ArgumentParser(prog="make bench-papers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rows and epochs: under ten minutes")
    names = [one.name for one in PROTOCOLS]
    said = f"of {', '.join(names)}: none is published"
    parser.add_argument("--only", nargs="*", metavar="PROTOCOL", choices=names, help=said)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="trainings at a time")
    arguments = parser.parse_args()
    wanted = [one for one in PROTOCOLS if not arguments.only or one.name in arguments.only]
    protocols = tuple(quickened(one) if arguments.quick else one for one in wanted)
    data_folder = Path(os.environ.get("MANIFOLD_DATA") or "data").absolute()
    outcomes = measure_protocols(protocols, _HOME.absolute(), data_folder, arguments.processes, _tell)
    found = list(rows(outcomes))
    publish_whole(found, quick=arguments.quick, only=arguments.only)
    if not arguments.quick and not arguments.only:
        draw_levels(outcomes)
        write_page(found, outcomes, datetime.now(UTC).date().isoformat())


def publish_whole(found: Sequence[Row], *, quick: bool, only: Sequence[str] | None) -> None:
    """Publish the rows of a whole run; those of some protocols are told, and what was published before stays.

    Args:
        found: the rows that could be made of what was measured.
        quick: of a quick run, which has a file of its own.
        only: the protocols that were asked for; none: all.
    """
    if not only:
        publish("papers-quick" if quick else "papers", found)
        return
    for row in found:
        print(f"{row.name}: {row.value:.4g} {row.unit} (goal {row.goal:g})", flush=True)


def _tell(outcome: Outcome) -> None:
    for choice, answer in zip(outcome.protocol.choices, outcome.answers, strict=True):
        chosen = " ".join(choice.alternatives[answer.chosen])
        print(f"{outcome.protocol.name}, {choice.about}: {chosen} of {answer.watched}", flush=True)
    print(f"{outcome.protocol.name} is done: {outcome.figures}", flush=True)


if __name__ == "__main__":
    main()
