"""Promotions asked at once by many processes: how many are lost, and whether the journal has them all in order.

Started with a folder and a number of processes, it is the one that starts them: a process of its own, which has
imported nothing but `service.release`, so that its children begin at the same moment.
"""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import TYPE_CHECKING

from service.release.channels import Channels
from service.release.home import Home

if TYPE_CHECKING:
    from benchmarks.harness import Row

PROCESSES = 20
_SECONDS = 120


def promotion_rows() -> Iterator[Row]:
    """`promotions_lost`."""
    from benchmarks.harness import Row

    with tempfile.TemporaryDirectory() as folder:
        lost = promotions_lost(Home(Path(folder) / "home"), PROCESSES)
    yield Row("promotions_lost", lost, f"of {PROCESSES}, and gaps", 0, "lower", peer=None)


def promotions_lost(home: Home, processes: int) -> int:
    """Promote as many releases at once as there are processes, and count what went wrong.

    Args:
        home: a new one.
        processes: how many.

    Returns:
        Promotions that are not in the journal or did not begin with what the one before left, numbers that the
        journal lacks, and 1 where the channels are not what the last one made them.
    """
    releases = [f"release-{number:02d}" for number in range(processes)]
    for release in releases:
        # The channels ask no more of a release than that it is there.
        (home.store / release).mkdir(parents=True)
    subprocess.run(
        [sys.executable, "-m", "benchmarks.retraining.promotions", str(home.root), str(processes)],
        cwd=Path(__file__).parents[2],
        check=True,
        timeout=_SECONDS,
    )
    moves = Channels(home).journal()
    state = Channels(home).read()
    missing = set(releases) - {move.release for move in moves}
    gaps = set(range(1, processes + 1)) ^ {move.sequence for move in moves}
    before = [None, *(move.release for move in moves)]
    broken = sum(move.replaces != replaced for move, replaced in zip(moves, before, strict=False))
    wrong = (state.champion, state.previous) != (before[-1], before[-2] if len(before) > 1 else None)
    return len(missing) + len(gaps) + broken + wrong


def _promote(root: str, release: str, start: Barrier) -> None:
    start.wait()
    Channels(Home(Path(root))).promote(release, who=release, why="all at once", verdict="none")


def _promote_at_once(root: str, processes: int) -> None:
    start = multiprocessing.Barrier(processes)
    children = [
        multiprocessing.Process(target=_promote, args=(root, f"release-{number:02d}", start))
        for number in range(processes)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()


if __name__ == "__main__":
    _promote_at_once(sys.argv[1], int(sys.argv[2]))
