"""What is measured: one side, asked one kind of request; and what its rounds gave."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from benchmarks.harness import Samples, interleave
from benchmarks.serving.load import Load

LIMIT = "ONNX Runtime"
Kind = Literal["single json", "single npy", "64 json", "64 npy", "64 codes", "one json at a time", "one npy at a time"]

CONNECTIONS: dict[Kind, int] = {
    "single json": 64,
    "single npy": 64,
    "64 json": 16,
    "64 npy": 16,
    "64 codes": 16,
    "one json at a time": 1,
    "one npy at a time": 1,
}


@dataclass(frozen=True)
class Trial:
    """One side, asked one kind of request."""

    side: str
    kind: Kind


@dataclass(frozen=True)
class Rounds:
    """What a trial gave, round by round."""

    loads: tuple[Load, ...]

    @property
    def rate(self) -> Samples:
        """Answers a second."""
        return Samples(tuple(load.rate for load in self.loads))

    @property
    def p50_ms(self) -> Samples:
        return Samples(tuple(load.p50_ms for load in self.loads))

    @property
    def p99_ms(self) -> Samples:
        return Samples(tuple(load.p99_ms for load in self.loads))

    @property
    def tail(self) -> Samples:
        """99 % over 50 %, of each round."""
        return Samples(tuple(load.p99_ms / load.p50_ms for load in self.loads))

    @property
    def failed(self) -> int:
        return sum(load.failed for load in self.loads)


def measure_trials(measures: Mapping[Trial, Callable[[], Load]], rounds: int) -> dict[Trial, Rounds]:
    """Every trial once a round, the first to go changing from round to round; each is told as it comes."""
    found: dict[Trial, list[Load]] = {trial: [] for trial in measures}

    def once(trial: Trial) -> float:
        load = measures[trial]()
        found[trial].append(load)
        number = f"round {len(found[trial])} of {rounds}"
        figures = f"{load.rate:,.0f}/s, {load.p50_ms:.3g} and {load.p99_ms:.3g} ms, {load.failed} failed"
        print(f"{number}: {trial.side}, {trial.kind}: {figures}", flush=True)
        return load.rate

    named = {f"{trial.side}, {trial.kind}": functools.partial(once, trial) for trial in measures}
    interleave(named, rounds=rounds)
    return {trial: Rounds(tuple(loads)) for trial, loads in found.items()}
