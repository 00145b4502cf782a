"""The rows of the table that come of trials, by the names of the plan: which trials each needs, and its figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.harness import Row, ratio
from benchmarks.serving.sides import OURS, OURS_BY_TWO
from benchmarks.serving.trials import LIMIT, Kind, Rounds, Trial


@dataclass(frozen=True)
class Ratio:
    """Our rate over a peer's, or over the limit's.

    Attributes:
        peer: the other side.
        kind: what both are asked.
        goal: what it should reach at least.
        ours: which of our sides.
    """

    peer: str
    kind: Kind
    goal: float
    ours: str = OURS


RATIOS = {
    "single_json_over_litserve": Ratio("LitServe", "single json", 10),
    "single_json_over_mlserver": Ratio("MLServer", "single json", 10),
    "single_json_over_fastapi": Ratio("FastAPI", "single json", 2.5),
    "single_json_over_fastapi_2_workers": Ratio("FastAPI, 2 workers", "single json", 2.5, OURS_BY_TWO),
    "single_json_over_fastapi_batched": Ratio("FastAPI, batched", "single json", 1.0),
    "single_json_over_triton": Ratio("Triton", "single json", 1.0),
    "single_json_over_bentoml": Ratio("BentoML", "single json", 1.0),
    "single_binary_over_limit": Ratio(LIMIT, "single npy", 1.1),
    "batch64_binary_over_limit": Ratio(LIMIT, "64 npy", 0.85),
    "batch64_json_over_fastapi": Ratio("FastAPI", "64 json", 1.5),
    "generate64_over_limit": Ratio(LIMIT, "64 codes", 0.8),
}
TAIL = "p99_over_p50"
ADDED = "added_ms"
# One request in flight: JSON is the row, npy is beside it.
_ADDED = {OURS: Trial(OURS, "one json at a time"), "as npy": Trial(OURS, "one npy at a time")}
_ALONE = Trial(LIMIT, "one json at a time")
ROWS = (*RATIOS, TAIL, ADDED)


def trials_of(name: str) -> tuple[Trial, ...]:
    """What a row is made of."""
    if name == TAIL:
        return (Trial(OURS, "single json"),)
    if name == ADDED:
        return (*_ADDED.values(), _ALONE)
    wanted = RATIOS[name]
    return Trial(wanted.ours, wanted.kind), Trial(wanted.peer, wanted.kind)


def rows_of(measured: Mapping[Trial, Rounds], names: Mapping[str, str]) -> Iterator[Row]:
    """Every row whose trials are all among what was measured.

    Args:
        measured: each trial's rounds.
        names: of each peer, with its version.
    """
    for name, wanted in RATIOS.items():
        ours, peer = trials_of(name)
        if ours in measured and peer in measured:
            called = names.get(wanted.peer, wanted.peer)
            samples = {wanted.ours: measured[ours].rate, called: measured[peer].rate}
            row = ratio(name, samples, wanted.ours, called, goal=wanted.goal, better="higher")
            sides = {wanted.ours: side_of(measured[ours]), called: side_of(measured[peer])}
            yield _with_sides(row, sides)
    (tail,) = trials_of(TAIL)
    if tail in measured:
        rounds = measured[tail]
        sides = {OURS: rounds.tail.as_side() | {"failed": rounds.failed}}
        yield Row(TAIL, rounds.tail.median, "ratio", 2.5, "lower", sides=sides)
    if measured.keys() >= set(trials_of(ADDED)):
        alone = measured[_ALONE].p50_ms
        sides = {LIMIT: alone.as_side()}
        for side, trial in _ADDED.items():
            sides[side] = measured[trial].p50_ms.as_side() | {"failed": measured[trial].failed}
        value = measured[_ADDED[OURS]].p50_ms.median - alone.median
        yield Row(ADDED, value, "ms", 1.5, "lower", f"{LIMIT} in this process", sides=sides)


def side_of(rounds: Rounds) -> dict[str, float]:
    """What is kept of a side: answers a second, its latencies, and what failed in all rounds."""
    latencies = {"p50_ms": rounds.p50_ms.median, "p99_ms": rounds.p99_ms.median}
    return rounds.rate.as_side() | latencies | {"failed": rounds.failed}


def _with_sides(row: Row, sides: Mapping[str, Mapping[str, float]]) -> Row:
    return Row(row.name, row.value, row.unit, row.goal, row.better, row.peer, row.seed, sides)
