"""What candidate and champion cost: the time of a run in the real runtime, and the bytes of the graphs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from flows.steps.gate.rules import compared, weighed
from models.measures.intervals import CONFIDENCE
from models.measures.paired import Gain, share_gained
from models.recipe import Gate
from service.release.verdict import Comparison
from service.runtime import Runtime

_ROUNDS = 40
_BATCH_ROWS = 64
_ROUND_SECONDS = 0.004
_GRAPHS = ("encoder.onnx", "decoder.onnx")


def cost(
    candidate: tuple[Runtime, Path], champion: tuple[Runtime, Path], rows: Float32[np.ndarray, "rows ..."], gate: Gate
) -> Iterator[Comparison]:
    """Time of one row and of a batch through the code and back, and bytes of both graphs.

    Args:
        candidate: its runtime and folder.
        champion: likewise.
        rows: (rows, *shape), in the data's own units, at least one.
        gate: how much worse each may be.
    """
    runtimes = (candidate[0], champion[0])
    for name, batch in (("latency_of_a_row", rows[:1]), (f"latency_of_{_BATCH_ROWS}_rows", _repeated(rows))):
        sides = _timed(*(lambda side=side, batch=batch: side.reconstruct(batch) for side in runtimes))
        how = f"median over {_ROUNDS} rounds, the two in turn, encoder and decoder on the {candidate[0].device}"
        yield compared(name, "s", "lower", sides, _median, gate.latency_tolerance, how)
    ours, theirs = (
        float(sum((folder / graph).stat().st_size for graph in _GRAPHS)) for _, folder in (candidate, champion)
    )
    gained = share_gained(ours, theirs, "lower")
    gain = Gain(ours, theirs, gained, gained, gained, "counted", CONFIDENCE)
    yield weighed("size", "bytes", "lower", gain, len(_GRAPHS), gate.size_tolerance, " + ".join(_GRAPHS))


def _timed(*runs: Callable[[], object]) -> list[Float[np.ndarray, " rounds"]]:
    """Seconds of one run, for each of `runs`: in each round each is run as often as fits into some milliseconds."""
    for run in runs:
        run()
    started = time.perf_counter()
    runs[0]()
    repeats = int(np.clip(_ROUND_SECONDS / max(time.perf_counter() - started, 1e-6), 1, 50))
    seconds = np.empty((len(runs), _ROUNDS))
    for number in range(_ROUNDS):
        # Whoever comes second finds the caches as the first left them: they take turns.
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            started = time.perf_counter()
            for _ in range(repeats):
                runs[side]()
            seconds[side, number] = (time.perf_counter() - started) / repeats
    return list(seconds)


def _median(values: Float[np.ndarray, " rounds"]) -> float:
    return float(np.median(values))


def _repeated(rows: Float32[np.ndarray, "rows ..."]) -> Float32[np.ndarray, "batch ..."]:
    return rows[np.arange(_BATCH_ROWS) % len(rows)]
