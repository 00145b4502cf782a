"""From a protocol to figures: what it leaves open is chosen on validation with seed 0, then every seed is measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch

from benchmarks.papers.cuts import open_cut
from benchmarks.papers.protocols import Protocol
from benchmarks.papers.runs import Figures, carry_out
from models.errors import TrainingDivergedError


@dataclass(frozen=True)
class Answer:
    """How validation answered one question.

    watched: the validation figure of each alternative, with seed 0.
    chosen: the alternative with the least.
    """

    watched: tuple[float, ...]
    chosen: int


@dataclass(frozen=True)
class Outcome:
    """What came of a protocol.

    answers: one to each of its questions.
    figures: of each seed, with what was chosen.
    """

    protocol: Protocol
    answers: tuple[Answer, ...]
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
    with ProcessPoolExecutor(processes, get_context("spawn"), _on_one_thread) as pool:
        choices = {pool.submit(choose, protocol, home, data_folder): protocol for protocol in protocols}
        seeds: dict[Future[Figures], tuple[Protocol, int]] = {}
        answers: dict[str, tuple[Answer, ...]] = {}
        measured: dict[str, dict[int, Figures]] = {protocol.name: {} for protocol in protocols}
        for choice in as_completed(choices):
            protocol = choices[choice]
            answers[protocol.name] = choice.result()
            chosen = tuple(answer.chosen for answer in answers[protocol.name])
            for seed in range(protocol.seeds):
                seeds[pool.submit(measure, protocol, chosen, seed, home, data_folder)] = (protocol, seed)
        for found in as_completed(seeds):
            protocol, seed = seeds[found]
            measured[protocol.name][seed] = found.result()
            if len(measured[protocol.name]) == protocol.seeds:
                figures = tuple(measured[protocol.name][seed] for seed in range(protocol.seeds))
                outcomes[protocol.name] = Outcome(protocol, answers[protocol.name], figures)
                on_outcome(outcomes[protocol.name])
    return {protocol.name: outcomes[protocol.name] for protocol in protocols}


def choose(protocol: Protocol, home: Path, data_folder: Path) -> tuple[Answer, ...]:
    """The answers to a protocol's questions, one after another, each with those before it. No test row is looked at."""
    dataset = open_cut(protocol.cut, home, data_folder)
    answers: list[Answer] = []
    for choice in protocol.choices:
        before = [answer.chosen for answer in answers]
        watched = []
        for number, settings in enumerate(choice.alternatives):
            say = _saying(f"{protocol.name}, {choice.about}, {' '.join(settings)}")
            recipe = protocol.recipe_of([*before, number], seed=0)
            try:
                watched.append(carry_out(dataset, recipe, (), home, say)[protocol.watched])
            except TrainingDivergedError as error:
                say(str(error))
                watched.append(math.inf)
        answers.append(Answer(tuple(watched), watched.index(min(watched))))
    return tuple(answers)


def measure(protocol: Protocol, chosen: Sequence[int], seed: int, home: Path, data_folder: Path) -> Figures:
    """The figures of one seed with what was chosen, on test rows."""
    dataset = open_cut(protocol.cut, home, data_folder)
    recipe = protocol.recipe_of(chosen, seed)
    return carry_out(dataset, recipe, protocol.measures, home, _saying(f"{protocol.name}, seed {seed}"))


def _on_one_thread() -> None:
    torch.set_num_threads(1)


def _saying(what: str) -> Callable[[str], None]:
    return lambda text: print(f"{what}: {text}", flush=True)
