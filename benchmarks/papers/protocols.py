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
# Supervised fine-tuning on clean rows, as the papers have it, or on corrupted ones.
_CLEAN = ("supervised_fine_tuning.corruption.kind=none",)


def _corrupted(level: float) -> tuple[str, ...]:
    return ("supervised_fine_tuning.corruption.kind=masking", f"supervised_fine_tuning.corruption.level={level}")


def _epochs(layers: str, pretraining: int, rate: str, supervised: int) -> tuple[str, ...]:
    return (
        f"layers={layers}",
        f"pretraining.epochs={pretraining}",
        f"pretraining.optimiser.learning_rate={rate}",
        f"supervised_fine_tuning.epochs={supervised}",
        # The best epoch on validation is kept; the schedule runs to its end.
        f"supervised_fine_tuning.patience={supervised}",
    )


_THREE = (*_CLASSIFIED, *_epochs("[1000,1000,1000]", 20, "2e-3", 50))
_BASIC = (*_CLASSIFIED, *_epochs("[1000,1000,1000]", 30, "2e-3", 40))
_ONE = (*_CLASSIFIED, *_epochs("[1000]", 60, "3e-3", 40))
_AE = ("kind=ae",)
_CAE = ("contraction.weight=1",)
_MASKED = ("corruption.kind=masking", "corruption.level=0.25")


def _at_level(percent: int) -> Protocol:
    """SDAE-3 on "basic" with one level of corruption; 0 is the SAE-3."""
    level = percent / 100
    noise = (f"corruption.level={level}",)
    return Protocol(
        name=f"sdae3-basic-{percent}",
        recipe="sdae",
        settings=(*_BASIC, *noise),
        # Without noise there is a smaller learning rate to choose instead.
        candidates=(
            _CLEAN,
            _corrupted(level) if percent else (*_CLEAN, "supervised_fine_tuning.optimiser.learning_rate=3e-4"),
        ),
        cut="basic",
        seeds=3,
        measures=("error",),
    )


PROTOCOLS: tuple[Protocol, ...] = (
    Protocol(
        name="deep-ae30",
        recipe="sae",
        settings=(
            "layers=[1000,500,250,30]",
            "activation=relu",
            "tied_weights=false",
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
            "fine_tuning.epochs=80",
        ),
        candidates=((),),
        cut="full",
        seeds=1,
        measures=("squared_error", "neighbours"),
        watched="validation_squared_error",
    ),
    Protocol(
        name="sdae3",
        recipe="sdae",
        settings=_THREE,
        candidates=(_corrupted(0.25), _corrupted(0.4)),
        cut="full",
        seeds=1,
        measures=("error",),
    ),
    Protocol("cae1", "cae", (*_ONE, *_CAE), (_CLEAN, _corrupted(0.25)), "full", 3, ("error", "jacobian")),
    # The pair that is compared: fine-tuned on clean rows both, as in the paper.
    Protocol("cae1-clean", "cae", (*_ONE, *_CAE, *_CLEAN), ((),), "full", 3, ("error", "jacobian")),
    Protocol("ae1-clean", "ae", (*_ONE, *_AE, *_CLEAN), ((),), "full", 3, ("error", "jacobian", "noisy_squared_error")),
    Protocol(
        "dae1",
        "dae",
        (*_ONE, *_MASKED, "supervised_fine_tuning.epochs=0"),
        ((),),
        "full",
        1,
        ("noisy_squared_error",),
    ),
    *(_at_level(percent) for percent in (0, 10, 25, 40)),
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
