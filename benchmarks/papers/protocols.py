"""What is trained for each number: a shipped recipe, what the paper changes about it, and what validation chooses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from benchmarks.papers.cuts import Cut
from flows.steps.recipes import load_recipe
from models.recipe import Recipe

Measure = Literal["error", "jacobian", "squared_error", "noisy_squared_error", "neighbours"]
Watched = Literal["validation_error", "validation_squared_error"]


@dataclass(frozen=True)
class Protocol:
    """One network of a paper's table.

    Args:
        name: of the protocol, in results and progress.
        recipe: a shipped one.
        settings: what the paper changes about it.
        candidates: settings that validation chooses among, with seed 0; one: nothing to choose.
        cut: which rows.
        seeds: how many trainings, from seed 0 up.
        measures: what is measured on test rows, once chosen.
        watched: the validation figure that chooses.
    """

    name: str
    recipe: str
    settings: tuple[str, ...]
    candidates: tuple[tuple[str, ...], ...]
    cut: Cut
    seeds: int
    measures: tuple[Measure, ...]
    watched: Watched = "validation_error"

    def recipe_of(self, candidate: int, seed: int) -> Recipe:
        """The whole recipe of one training."""
        return load_recipe(self.recipe, [*self.settings, *self.candidates[candidate], f"seed={seed}"])


# Common to all that is classified: sigmoid units, tied weights and cross-entropy as in both papers; Adam and a falling
# learning rate instead of their plain descent. bfloat16 products change no figure beyond its noise, and halve the time.
_UNITS = ("activation=sigmoid", "code_activation=sigmoid", "output_activation=sigmoid", "tied_weights=true")
_PRETRAINING = (
    "loss=binary_cross_entropy",
    "pretraining.precision=bfloat16",
    "pretraining.minimum_steps=0",
    "pretraining.batch_size=128",
    "pretraining.optimiser.learning_rate=1e-3",
    "pretraining.optimiser.schedule=cosine",
    "fine_tuning.epochs=0",
)
_SUPERVISED = (
    "supervised_fine_tuning.precision=bfloat16",
    "supervised_fine_tuning.batch_size=128",
    "supervised_fine_tuning.optimiser.schedule=cosine",
)
CLASSIFIED = (*_UNITS, *_PRETRAINING, *_SUPERVISED)


def _early_stopping(epochs: int) -> tuple[str, ...]:
    # The best epoch on validation is kept; the schedule runs to its end.
    return (f"supervised_fine_tuning.epochs={epochs}", f"supervised_fine_tuning.patience={epochs}")


def _supervised_rate(*rates: str) -> tuple[tuple[str, ...], ...]:
    return tuple((f"supervised_fine_tuning.optimiser.learning_rate={rate}",) for rate in rates)


_THREE = ("layers=[1000,1000,1000]", "pretraining.epochs=15", *_early_stopping(30))
_BASIC = ("layers=[1000,1000,1000]", "pretraining.epochs=30", *_early_stopping(40))
_ONE = ("layers=[1000]", "pretraining.epochs=20", *_early_stopping(30))


def _at_level(level: str) -> Protocol:
    return Protocol(
        name=f"sdae3-basic-{level}",
        recipe="sdae",
        settings=(*CLASSIFIED, *_BASIC, f"corruption.level={level}"),
        candidates=_supervised_rate("3e-4", "1e-3"),
        cut="basic",
        seeds=3,
        measures=("error",),
    )


PROTOCOLS: tuple[Protocol, ...] = (
    Protocol(
        name="sdae3",
        recipe="sdae",
        settings=(*CLASSIFIED, *_THREE),
        candidates=_supervised_rate("3e-4", "1e-3"),
        cut="full",
        seeds=1,
        measures=("error",),
    ),
)


def quickened(protocol: Protocol) -> Protocol:
    """The same in a fraction of the time, for `--quick`: fewer rows, epochs, seeds, no choice. Its figures show that
    everything runs, not what it reaches."""
    phases = ("pretraining", "fine_tuning", "supervised_fine_tuning")
    recipe = protocol.recipe_of(0, 0)
    shorter = tuple(
        f"{phase}.epochs={-(-epochs // 8)}" for phase in phases if (epochs := getattr(recipe, phase).epochs)
    )
    return replace(
        protocol,
        settings=(*protocol.settings, *shorter),
        candidates=protocol.candidates[:1],
        cut="small",
        seeds=1,
    )
