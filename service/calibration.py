"""How ONNX Runtime is set up for a release on this machine: measured for a moment when the release is loaded.

What is considered depends on the machine and the release alone, never on what has been measured; what is chosen is the
least that is as fast as the best, so that noise does not choose.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from service.sessions import Device, DeviceChoice, device_of, open_session, run_session

Key = TypeVar("Key")

# Rows of one batch that are considered.
BATCH_ROWS = (32, 64, 128, 256, 512, 1024)
# Where nothing is measured: as fast as any, and a row that comes in between waits a quarter as long as for 1,024.
DEFAULT_BATCH_ROWS = 256
# A batch is handed to the thread that runs it and its answers back: what no calibration of the graph alone sees.
_HAND_OVER_SECONDS = 100e-6
# More threads, spinning or larger batches must be so much faster to be chosen.
_WORTH_THREADS = 1.1
_WORTH_ROWS = 1.05
# Threads are compared on batches of this size, or smaller ones where rows are slow.
_COMPARED_ROWS = 64


@dataclass(frozen=True)
class Trial:
    """One way to run the encoder, and how fast it was."""

    threads: int
    spinning: bool
    rows: int
    rows_per_second: float


@dataclass(frozen=True)
class Setup:
    """How ONNX Runtime runs a release.

    threads: within one operator on the CPU. spinning: whether they wait for work by spinning. batch_rows: of one run,
    at most. trials: what was measured; empty where nothing was.
    """

    threads: int = 1
    spinning: bool = False
    batch_rows: int = DEFAULT_BATCH_ROWS
    trials: tuple[Trial, ...] = ()

    def as_fields(self) -> dict[str, Any]:
        """For people: what was chosen, and the rates."""
        return asdict(self)


def cores_of_a_worker(workers: int) -> int:
    """The cores that one of so many workers may use, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // max(1, workers))


def considered(cores: int) -> list[tuple[int, bool]]:
    """Threads and spinning that are tried on so many cores: 1, 2, 4, ... and all of them.

    Threads that spin take the processor from the event loop, which a calibration cannot see: only where a core is left.
    """
    counts = sorted({2**power for power in range(cores.bit_length()) if 2**power <= cores} | {cores})
    return [(threads, False) for threads in counts] + [(threads, True) for threads in counts if 1 < threads < cores]


def calibrate(
    encoder: Path, row_shape: tuple[int, ...], device: DeviceChoice, *, cores: int, threads: int | None, seconds: float
) -> Setup:
    """Measure how an encoder runs fastest here.

    Args:
        encoder: its graph.
        row_shape: of one row.
        device: as in `open_session`; on CUDA only the size of batches is measured.
        cores: that threads may take.
        threads: what the user has set; nothing else is considered then.
        seconds: for which is measured, about; 0 measures nothing.

    Raises:
        DeviceUnavailableError, ModelLoadError, ModelRunError: the graph cannot be opened or run.
    """
    if seconds == 0:
        return Setup(threads=threads or 1)
    ways = considered(cores) if threads is None else [(threads, False)]
    first = open_session(encoder, device, *ways[0])
    found: Device = device_of(first)
    sessions = {ways[0]: first}
    if found == "cpu":
        sessions |= {way: open_session(encoder, device, *way) for way in ways[1:]}
    largest = np.zeros((BATCH_ROWS[-1], *row_shape), np.float32)

    def timed(way: tuple[int, bool], rows: int) -> float:
        started = time.perf_counter()
        run_session(sessions[way], "x", "z", largest[:rows])
        return time.perf_counter() - started

    timed(ways[0], 1)
    once = timed(ways[0], 1)
    chosen, trials = ways[0], []
    if len(sessions) > 1:
        rows = _COMPARED_ROWS
        while rows > 1 and rows * once * 4 * len(sessions) > seconds / 2:
            rows //= 2
        taken = _least_seconds({way: _bound(timed, way, rows) for way in sessions}, seconds / 2)
        trials += [Trial(*way, rows, round(rows / least, 1)) for way, least in taken.items()]
        enough = min(taken.values()) * _WORTH_THREADS
        # Without spinning where that will do, and with the fewest threads.
        chosen = min((way for way in ways if taken[way] <= enough), key=lambda way: (way[1], way[0]))
    sizes: list[int] = []
    for rows in BATCH_ROWS:
        sizes.append(rows)
        # Where rows are slow, larger batches are not worth the time it takes to find out.
        if timed(chosen, rows) * 2 * len(BATCH_ROWS) > seconds / 2:
            break
    by_size = _least_seconds({rows: _bound(timed, chosen, rows) for rows in sizes}, seconds / 2)
    trials += [Trial(*chosen, rows, round(rows / least, 1)) for rows, least in by_size.items()]
    cost = {rows: (least + _HAND_OVER_SECONDS) / rows for rows, least in by_size.items()}
    batch_rows = next(rows for rows in sizes if cost[rows] <= min(cost.values()) * _WORTH_ROWS)
    return Setup(*chosen, batch_rows, tuple(trials))


def _bound(timed: Callable[[tuple[int, bool], int], float], way: tuple[int, bool], rows: int) -> Callable[[], float]:
    return lambda: timed(way, rows)


def _least_seconds(runs: dict[Key, Callable[[], float]], seconds: float) -> dict[Key, float]:
    """The least time of each, all in turn for about so many seconds, at least once each."""
    until = time.perf_counter() + seconds
    least = {key: run() for key, run in runs.items()}
    while time.perf_counter() < until:
        for key, run in runs.items():
            least[key] = min(least[key], run())
            if time.perf_counter() >= until:
                break
    return least
