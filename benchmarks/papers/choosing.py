"""From a protocol to figures: the candidate is chosen on validation with seed 0, then every seed is measured."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.papers.cuts import open_cut
from benchmarks.papers.protocols import Protocol
from benchmarks.papers.runs import Figures, carry_out


@dataclass(frozen=True)
class Outcome:
    """What came of a protocol.

    watched: the validation figure of each candidate, with seed 0.
    chosen: the candidate with the least.
    figures: of each seed, with the chosen candidate.
    """

    protocol: Protocol
    watched: tuple[float, ...]
    chosen: int
    figures: tuple[Figures, ...]

    def values(self, figure: str) -> tuple[float, ...]:
        """One figure of every seed."""
        return tuple(found[figure] for found in self.figures)


def measure_protocols(
    protocols: tuple[Protocol, ...],
    home: Path,
    data_folder: Path,
    processes: int,
    on_outcome: Callable[[Outcome], None],
) -> dict[str, Outcome]:
    """All protocols, `processes` trainings at a time, each on one thread; interrupted, the next call goes on.

    Args:
        protocols: what to train.
        home: where datasets, trainings and figures are kept.
        data_folder: where MNIST lies.
        processes: trainings at a time.
        on_outcome: is told of each protocol that is done.
    """
    outcomes: dict[str, Outcome] = {}
    with ProcessPoolExecutor(processes, initializer=_on_one_thread) as pool:
        choices = {pool.submit(choose, protocol, home, data_folder): protocol for protocol in protocols}
        seeds: dict[Future[Figures], tuple[Protocol, int]] = {}
        chosen: dict[str, tuple[tuple[float, ...], int]] = {}
        measured: dict[str, dict[int, Figures]] = {protocol.name: {} for protocol in protocols}
        for choice in as_completed(choices):
            protocol = choices[choice]
            chosen[protocol.name] = choice.result()
            _, candidate = chosen[protocol.name]
            for seed in range(protocol.seeds):
                seeds[pool.submit(measure, protocol, candidate, seed, home, data_folder)] = (protocol, seed)
        for found in as_completed(seeds):
            protocol, seed = seeds[found]
            measured[protocol.name][seed] = found.result()
            if len(measured[protocol.name]) == protocol.seeds:
                watched, candidate = chosen[protocol.name]
                figures = tuple(measured[protocol.name][seed] for seed in range(protocol.seeds))
                outcomes[protocol.name] = Outcome(protocol, watched, candidate, figures)
                on_outcome(outcomes[protocol.name])
    return outcomes


def choose(protocol: Protocol, home: Path, data_folder: Path) -> tuple[tuple[float, ...], int]:
    """The validation figure of every candidate with seed 0, and the number of the best. No test row is looked at."""
    if len(protocol.candidates) == 1:
        return (), 0
    dataset = open_cut(protocol.cut, home, data_folder)
    watched = []
    for candidate in range(len(protocol.candidates)):
        recipe = protocol.recipe_of(candidate, seed=0)
        say = _saying(f"{protocol.name}, candidate {candidate}")
        watched.append(carry_out(dataset, recipe, (), home, say)[protocol.watched])
    return tuple(watched), watched.index(min(watched))


def measure(protocol: Protocol, candidate: int, seed: int, home: Path, data_folder: Path) -> Figures:
    """The figures of one seed with the chosen candidate, on test rows."""
    dataset = open_cut(protocol.cut, home, data_folder)
    recipe = protocol.recipe_of(candidate, seed)
    return carry_out(dataset, recipe, protocol.measures, home, _saying(f"{protocol.name}, seed {seed}"))


def _on_one_thread() -> None:
    torch.set_num_threads(1)


def _saying(what: str) -> Callable[[str], None]:
    return lambda text: print(f"{what}: {text}", flush=True)
