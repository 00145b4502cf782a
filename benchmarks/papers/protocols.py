"""What is trained for each number: a shipped recipe, what the paper changes about it, and what validation chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal

from benchmarks.papers.cuts import Cut
from flows.steps.recipes import load_recipe
from models.recipe import Recipe

Measure = Literal["error", "jacobian", "squared_error", "noisy_squared_error", "neighbours"]
Watched = Literal["validation_error", "validation_squared_error"]


@dataclass(frozen=True)
class Choice:
    """A question that validation answers: what it is about, and the settings to choose among."""

    about: str
    alternatives: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Protocol:
    """One network of a paper's table.

    Args:
        name: of the protocol, in results and progress.
        recipe: a shipped one.
        settings: what the paper changes about it.
        choices: questions in their order, each with the settings that validation chooses among; until its turn comes,
            a question is answered by its first settings.
        cut: which rows.
        seeds: how many trainings, from seed 0 up.
        measures: what is measured on test rows, once chosen.
        watched: the validation figure that chooses.
    """

    name: str
    recipe: str
    settings: tuple[str, ...]
    choices: tuple[Choice, ...]
    cut: Cut
    seeds: int
    measures: tuple[Measure, ...]
    watched: Watched = "validation_error"

    def recipe_of(self, answers: Sequence[int], seed: int) -> Recipe:
        """The whole recipe of one training, with the first questions answered, the others by their first settings."""
        numbers = [*answers, *[0] * (len(self.choices) - len(answers))]
        answered = [choice.alternatives[number] for choice, number in zip(self.choices, numbers, strict=True)]
        return load_recipe(self.recipe, [*self.settings, *chain.from_iterable(answered), f"seed={seed}"])


# Common to all that is classified: sigmoid units, tied weights and cross-entropy as in both papers; Adam and a falling
# learning rate instead of their plain descent. bfloat16 products change no figure beyond its noise, and halve the time.
_CLASSIFIED = (
    "activation=sigmoid",
    "code_activation=sigmoid",
    "output_activation=sigmoid",
    "tied_weights=true",
    "loss=binary_cross_entropy",
    "pretraining.precision=bfloat16",
    "pretraining.minimum_steps=0",
    "pretraining.batch_size=128",
    "pretraining.optimiser.schedule=cosine",
    "fine_tuning.epochs=0",
    "supervised_fine_tuning.precision=bfloat16",
    "supervised_fine_tuning.batch_size=128",
    "supervised_fine_tuning.optimiser.learning_rate=1e-3",
    "supervised_fine_tuning.optimiser.schedule=cosine",
)


def _epochs(pretraining: int, rate: str, supervised: int) -> tuple[str, ...]:
    return (
        f"pretraining.epochs={pretraining}",
        f"pretraining.optimiser.learning_rate={rate}",
        f"supervised_fine_tuning.epochs={supervised}",
        # The best epoch on validation is kept; the schedule runs to its end.
        f"supervised_fine_tuning.patience={supervised}",
    )


def _corrupted(kind: str, level: float) -> tuple[str, ...]:
    corruption = "supervised_fine_tuning.corruption"
    return (f"{corruption}.kind={kind}", f"{corruption}.level={level}")


_THREE = (*_CLASSIFIED, "layers=[1000,1000,1000]")
_ONE = (*_CLASSIFIED, "layers=[1000]")
_AE = ("kind=ae",)
_UNCONTRACTED = ("contraction={kind: none, weight: 0}",)
_MASKED = ("corruption.kind=masking", "corruption.level=0.25")
# Supervised fine-tuning on clean rows, as the papers have it, or on corrupted ones.
_CLEAN = ("supervised_fine_tuning.corruption.kind=none",)
_FINE_TUNING_ROWS = Choice(
    "rows of supervised fine-tuning",
    (_CLEAN, _corrupted("masking", 0.25), _corrupted("gaussian", 0.2), _corrupted("gaussian", 0.35)),
)
_PENALTY_WEIGHT = Choice("weight of the contraction penalty", (("contraction.weight=1",), ("contraction.weight=3",)))


def _at_level(percent: int) -> Protocol:
    """SDAE-3 on "basic" with one level of corruption; 0 is the SAE-3. Only pre-training differs between levels."""
    return Protocol(
        name=f"sdae3-basic-{percent}",
        recipe="sdae",
        settings=(*_THREE, *_epochs(30, "2e-3", 40), *_CLEAN, f"corruption.level={percent / 100}"),
        choices=(
            Choice(
                "learning rate of supervised fine-tuning",
                (
                    ("supervised_fine_tuning.optimiser.learning_rate=1e-3",),
                    ("supervised_fine_tuning.optimiser.learning_rate=3e-4",),
                ),
            ),
        ),
        cut="basic",
        seeds=3,
        measures=("error",),
    )


def _convolutional(name: str, recipe: str, settings: tuple[str, ...], measure: Measure) -> Protocol:
    """A shipped convolutional recipe, for pictures of the shape that it is for."""
    return Protocol(name, recipe, settings, choices=(), cut="full", seeds=1, measures=(measure,))


PROTOCOLS: tuple[Protocol, ...] = (
    Protocol(
        name="deep-ae30",
        recipe="sae",
        settings=(
            "layers=[1000,500,250,30]",
            "loss=squared_error",
            *(
                f"{phase}.{setting}"
                for phase in ("pretraining", "fine_tuning")
                for setting in (
                    "precision=bfloat16",
                    "minimum_steps=0",
                    "batch_size=256",
                    "optimiser.learning_rate=1.5e-3",
                    "optimiser.schedule=cosine",
                )
            ),
            "pretraining.epochs=5",
            # Until the last question, which is the number of epochs.
            "fine_tuning.epochs=60",
        ),
        choices=(
            Choice("decoder", (("tied_weights=true",), ("tied_weights=false",))),
            Choice("activation", (("activation=tanh",), ("activation=relu",), ("activation=sigmoid",))),
            Choice(
                "weight decay of fine-tuning",
                tuple((f"fine_tuning.optimiser.weight_decay={decay}",) for decay in (0, 0.05, 0.2)),
            ),
            Choice("epochs of fine-tuning", (("fine_tuning.epochs=60",), ("fine_tuning.epochs=150",))),
        ),
        cut="most",
        seeds=1,
        measures=("squared_error", "neighbours"),
        watched="validation_squared_error",
    ),
    Protocol(
        name="cae1",
        recipe="cae",
        settings=(*_ONE, *_epochs(60, "3e-3", 80)),
        choices=(
            _FINE_TUNING_ROWS,
            _PENALTY_WEIGHT,
        ),
        cut="full",
        seeds=3,
        measures=("error",),
    ),
    Protocol(
        name="sdae3",
        recipe="sdae",
        settings=(*_THREE, *_epochs(20, "2e-3", 60), *_MASKED),
        choices=(_FINE_TUNING_ROWS,),
        cut="full",
        seeds=1,
        measures=("error",),
    ),
    Protocol(
        name="sdae3-basic",
        recipe="sdae",
        settings=(*_THREE, *_epochs(30, "2e-3", 40), *_MASKED),
        choices=(_FINE_TUNING_ROWS,),
        cut="basic",
        seeds=3,
        measures=("error",),
    ),
    # The pair that is compared: fine-tuned on clean rows both, as in the paper, and nothing chosen for either.
    Protocol(
        name="cae1-clean",
        recipe="cae",
        settings=(*_ONE, *_epochs(60, "3e-3", 40), *_CLEAN, "contraction.weight=1"),
        choices=(),
        cut="full",
        seeds=3,
        measures=("error", "jacobian"),
    ),
    Protocol(
        name="ae1-clean",
        recipe="ae",
        settings=(*_ONE, *_epochs(60, "3e-3", 40), *_AE, *_CLEAN),
        choices=(),
        cut="full",
        seeds=3,
        measures=("error", "jacobian", "noisy_squared_error"),
    ),
    Protocol(
        name="dae1",
        recipe="dae",
        settings=(*_ONE, *_epochs(60, "3e-3", 40), *_MASKED, "supervised_fine_tuning.epochs=0"),
        choices=(),
        cut="full",
        seeds=1,
        measures=("noisy_squared_error",),
    ),
    # No paper has a table of these: that they do what their papers say of the others.
    Protocol(
        name="scae1",
        recipe="scae",
        # Its penalty is a small difference of codes, which half the bits would round away.
        settings=(*_ONE, *_epochs(60, "3e-3", 0), "pretraining.precision=float32"),
        choices=(),
        cut="full",
        seeds=1,
        measures=("jacobian",),
    ),
    _convolutional("ae-convolutional", "ae-convolutional", (), "noisy_squared_error"),
    _convolutional("dae-convolutional", "dae-convolutional", (), "noisy_squared_error"),
    _convolutional("cae-convolutional", "cae-convolutional", (), "jacobian"),
    _convolutional("scae-convolutional", "scae-convolutional", (), "jacobian"),
    _convolutional("uncontracted-convolutional", "cae-convolutional", (*_AE, *_UNCONTRACTED), "jacobian"),
    *(_at_level(percent) for percent in (0, 10, 25, 40)),
)


def quickened(protocol: Protocol) -> Protocol:
    """The same in a fraction of the time, for `--quick`: fewer rows, epochs, seeds, no choice. Its figures show that
    everything runs, not what it reaches."""
    phases = ("pretraining", "fine_tuning", "supervised_fine_tuning")
    recipe = protocol.recipe_of((), seed=0)
    first = chain.from_iterable(choice.alternatives[0] for choice in protocol.choices)
    shorter = tuple(
        f"{phase}.epochs={-(-epochs // 8)}" for phase in phases if (epochs := getattr(recipe, phase).epochs)
    )
    return replace(
        protocol,
        settings=(*protocol.settings, *first, *shorter),
        choices=(),
        cut="small",
        seeds=1,
    )
