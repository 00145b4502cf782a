"""Measures and publishes every row of the table, in benchmarks/results/ and docs/speed.md.

`--only NAME` keeps to some groups of rows and publishes nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import torch

from benchmarks.harness import Row, publish
from benchmarks.training.out_of_core import out_of_core_rows
from benchmarks.training.peers import peer_rows
from benchmarks.training.plain_loop import plain_loop_rows
from benchmarks.training.precision import precision_rows
from benchmarks.training.ratios import deep_rows, product_rows, system_rows
from benchmarks.training.scaling import scaling_rows
from benchmarks.training.subjects import THREADS, devices
from benchmarks.training.table import write_page

_GROUPS: dict[str, Callable[[torch.device], Iterable[Row]]] = {
    "products": product_rows,
    "systems": system_rows,
    "deep": deep_rows,
    "precision": precision_rows,
    "plain-loop": plain_loop_rows,
    "peers": peer_rows,
    "out-of-core": out_of_core_rows,
    "scaling": scaling_rows,
}


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(prog="make bench-training", description=__doc__)
    parser.add_argument("--only", nargs="*", choices=tuple(_GROUPS), help="groups of rows; none is published")
    wanted = parser.parse_args().only
    torch.set_num_threads(THREADS)
    rows: list[Row] = []
    for device in devices():
        for name, measure in _GROUPS.items():
            if wanted and name not in wanted:
                continue
            for row in measure(device):
                print(f"{row.name}: {row.value:.4g} {row.unit} (goal {row.goal:g})", flush=True)
                rows.append(row)
    if not wanted:
        publish("training", rows)
        write_page(rows, datetime.now(UTC).date().isoformat())


if __name__ == "__main__":
    main()
