"""A training that stops at any step and goes on from its checkpoint ends with the weights of one that did not stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import Float32
from torch import Tensor

from models.checkpoints import Checkpoint
from models.classifier import build_classifier
from models.errors import TrainingDivergedError
from models.fine_tuning import fine_tune, fine_tune_classifier
from models.objectives import fine_tuning_objective, layer_objective
from models.pretraining import pretrain_layer
from models.recipe import parse_recipe
from models.stack import build_stack
from models.training import EpochReport, Examples, Trained

Mapping = Callable[..., dict[str, Any]]
Digits = Float32[np.ndarray, "rows 8 8"]

# Three steps an epoch, twelve in all.
_ROWS = 72
_SETTINGS = {"epochs": 4, "batch_size": 30}


class PowerCutError(Exception):
    """The power is cut."""


class Keeper:
    """Keeps a checkpoint after each step, and cuts the power after one of them."""

    def __init__(self, stop_after: int | None = None, start: Checkpoint | None = None) -> None:
        self.stop_after, self.steps, self._start = stop_after, 0, start
        self.kept: Checkpoint | None = None

    def due(self) -> bool:
        return True

    def keep(self, checkpoint: Checkpoint) -> None:
        self.kept = checkpoint
        self.steps += 1
        if self.steps == self.stop_after:
            raise PowerCutError

    def last(self) -> Checkpoint | None:
        return self._start


Learn = Callable[[Keeper | None, list[EpochReport] | None], Trained]


def unsupervised(mapping: dict[str, Any], rows: np.ndarray) -> Learn:
    recipe = parse_recipe(mapping)

    def learn(keeper: Keeper | None, reports: list[EpochReport] | None) -> Trained:
        return pretrain_layer(
            build_stack(recipe, (8, 8)).pairs[0],
            rows,
            rows[:20],
            objective=layer_objective(recipe, 0),
            settings=recipe.pretraining,
            seed=0,
            layer_index=0,
            on_epoch=None if reports is None else reports.append,
            checkpoints=keeper,
        )

    return learn


def unrolled(mapping: dict[str, Any], rows: np.ndarray) -> Learn:
    recipe = parse_recipe(mapping)

    def learn(keeper: Keeper | None, reports: list[EpochReport] | None) -> Trained:
        return fine_tune(
            build_stack(recipe, (8, 8)),
            rows,
            rows[:20],
            objective=fine_tuning_objective(recipe),
            settings=recipe.fine_tuning,
            seed=0,
            on_epoch=None if reports is None else reports.append,
            checkpoints=keeper,
        )

    return learn


def supervised(mapping: dict[str, Any], rows: np.ndarray) -> Learn:
    recipe = parse_recipe(mapping)
    labels = (rows[:, 20] > rows[:, 43]).astype(np.int64)

    def learn(keeper: Keeper | None, reports: list[EpochReport] | None) -> Trained:
        return fine_tune_classifier(
            build_classifier(recipe, (8, 8), 2),
            Examples(rows, labels),
            Examples(rows[:20], labels[:20]),
            settings=recipe.supervised_fine_tuning,
            seed=0,
            on_epoch=None if reports is None else reports.append,
            checkpoints=keeper,
        )

    return learn


def interrupted(learn: Learn, *stops: int) -> tuple[Trained, list[EpochReport]]:
    """Stopped again and again, each time after so many steps; then to the end."""
    checkpoint, reports = None, list[EpochReport]()
    for steps in stops:
        keeper = Keeper(steps, checkpoint)
        with pytest.raises(PowerCutError):
            learn(keeper, reports)
        checkpoint = keeper.kept
    return learn(Keeper(None, checkpoint), reports), reports


@pytest.fixture
def rows(digits: Digits) -> np.ndarray:
    return np.ascontiguousarray(digits[:_ROWS].reshape(-1, 64) / np.float32(16))


def cases(mapping: Mapping, rows: np.ndarray) -> dict[str, Learn]:
    noise: dict[str, Any] = {"kind": "dae", "layers": [6], "corruption": {"kind": "masking", "level": 0.3}}
    momentum = {"name": "sgd", "learning_rate": 0.05, "momentum": 0.9}
    probed = {"kind": "analytic", "weight": 0.1, "form": "probe"}
    stack = noise | {"kind": "sdae", "layers": [6, 3]}
    convolution = {"kind": "convolution", "channels": 3}
    images = rows.reshape(-1, 1, 8, 8)
    return {
        "adam": unsupervised(mapping(**noise, pretraining=_SETTINGS), rows),
        "momentum": unsupervised(mapping(**noise, pretraining={**_SETTINGS, "optimiser": momentum}), rows),
        "plain descent": unsupervised(mapping(**noise, pretraining={**_SETTINGS, "optimiser": {"name": "sgd"}}), rows),
        "schedule": unsupervised(
            mapping(**noise, pretraining={**_SETTINGS, "optimiser": {"schedule": "cosine"}}), rows
        ),
        "early stopping": unsupervised(mapping(**noise, pretraining={**_SETTINGS, "patience": 2}), rows),
        # So large a rate that the figure jumps about: it stops early, and the best epoch is not the last.
        "best epoch": unsupervised(
            mapping(
                **noise, pretraining={**_SETTINGS, "epochs": 30, "patience": 3, "optimiser": {"learning_rate": 0.3}}
            ),
            rows,
        ),
        "bfloat16": unsupervised(mapping(**noise, pretraining={**_SETTINGS, "precision": "bfloat16"}), rows),
        "probes": unsupervised(mapping(kind="cae", layers=[6], contraction=probed, pretraining=_SETTINGS), rows),
        "exact penalty": unrolled(
            mapping(kind="cae", contraction={**probed, "form": "exact"}, fine_tuning={**_SETTINGS, "contract": True}),
            rows,
        ),
        "whole stack": unrolled(mapping(**stack, fine_tuning={**_SETTINGS, "corrupt": True}), rows),
        "convolution": unsupervised(mapping(**noise | {"layers": [convolution]}, pretraining=_SETTINGS), images),
        "whole convolutional stack": unrolled(
            mapping(**noise | {"layers": [convolution, 3]}, fine_tuning={**_SETTINGS, "corrupt": True}), images
        ),
        "labels": supervised(
            mapping(layers=[6], supervised_fine_tuning={**_SETTINGS, "corruption": noise["corruption"], "patience": 4}),
            rows,
        ),
    }


@pytest.mark.parametrize(
    "case",
    [
        "adam",
        "momentum",
        "plain descent",
        "schedule",
        "early stopping",
        "best epoch",
        "bfloat16",
        "probes",
        "exact penalty",
        "whole stack",
        "convolution",
        "whole convolutional stack",
        "labels",
    ],
)
@pytest.mark.parametrize("stops", [(1,), (2, 1, 3), (7,)])
def test_stopped_and_taken_up_again_the_weights_are_those_of_an_undisturbed_run(
    recipe_mapping: Mapping, rows: np.ndarray, case: str, stops: tuple[int, ...]
) -> None:
    learn = cases(recipe_mapping, rows)[case]
    heard: list[EpochReport] = []
    undisturbed = learn(None, heard)
    resumed, told = interrupted(learn, *stops)
    assert same(undisturbed.state, resumed.state)
    assert undisturbed.reports == resumed.reports
    assert told == heard, "each epoch is told of once"


@pytest.mark.parametrize(("case", "form"), [("exact penalty", "exact"), ("probes", "probe")])
def test_the_cases_of_contraction_have_the_form_they_are_named_after(
    recipe_mapping: Mapping, rows: np.ndarray, case: str, form: str
) -> None:
    assert cases(recipe_mapping, rows)[case](None, None).penalty == form


@pytest.mark.parametrize(("case", "drawn"), [("exact penalty", False), ("probes", True)])
@pytest.mark.parametrize("part", ["generator.noise", "optimiser.0.exp_avg", "model"])
def test_what_a_contraction_does_not_take_from_its_checkpoint_changes_the_weights(
    recipe_mapping: Mapping, rows: np.ndarray, case: str, drawn: bool, part: str
) -> None:
    learn = cases(recipe_mapping, rows)[case]
    keeper = Keeper(4)
    with pytest.raises(PowerCutError):
        learn(keeper, None)
    assert keeper.kept is not None
    other = torch.Generator().manual_seed(99).get_state()
    spoilt = {
        name: (other if part == "generator.noise" else tensor * 0.5) if name.startswith(part) else tensor
        for name, tensor in keeper.kept.tensors.items()
    }
    assert any(not torch.equal(spoilt[name], tensor) for name, tensor in keeper.kept.tensors.items())
    resumed = learn(Keeper(None, Checkpoint(spoilt, keeper.kept.progress)), None)
    # The exact norm draws nothing.
    hidden = part == "generator.noise" and not drawn
    assert same(learn(None, None).state, resumed.state) is hidden


def test_the_case_of_the_best_epoch_stops_early_and_ends_worse_than_its_best(
    recipe_mapping: Mapping, rows: np.ndarray
) -> None:
    reports = cases(recipe_mapping, rows)["best epoch"](None, None).reports
    assert len(reports) < 30
    assert not reports[-1].best


@pytest.mark.parametrize(("rate", "epochs"), [(10.0, 1), (10.0, 2), (10.0, 3), (10.0, 4)])
def test_weights_that_the_last_step_spoilt_are_not_given_out(
    recipe_mapping: Mapping, rows: np.ndarray, rate: float, epochs: int
) -> None:
    descent = {"epochs": epochs, "batch_size": 10, "optimiser": {"name": "sgd", "learning_rate": rate}}
    linear = {"activation": "relu", "code_activation": "linear", "output_activation": "linear"}
    learn = unsupervised(recipe_mapping(pretraining=descent, **linear), rows)
    try:
        trained = learn(None, None)
    except TrainingDivergedError:
        return
    assert np.isfinite(trained.reports[-1].validation_loss)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in trained.state.values())


def test_a_checkpoint_of_another_step_gives_other_weights(recipe_mapping: Mapping, rows: np.ndarray) -> None:
    # What would hide a checkpoint that restores nothing: that every start ends alike.
    learn = cases(recipe_mapping, rows)["adam"]
    keeper = Keeper(2)
    with pytest.raises(PowerCutError):
        learn(keeper, None)
    assert keeper.kept is not None
    spoilt = Checkpoint(keeper.kept.tensors, {**keeper.kept.progress, "step": 1})
    assert not same(learn(None, None).state, learn(Keeper(None, spoilt), None).state)


def test_a_diverged_loss_leaves_the_last_good_checkpoint(recipe_mapping: Mapping, rows: np.ndarray) -> None:
    descent = {"epochs": 60, "batch_size": 10, "optimiser": {"name": "sgd", "learning_rate": 10}}
    linear = {"activation": "relu", "code_activation": "linear", "output_activation": "linear"}
    keeper = Keeper()
    with pytest.raises(TrainingDivergedError, match=r"at step \d+ of 8 in epoch \d+, with a learning rate of 10 "):
        unsupervised(recipe_mapping(pretraining=descent, **linear), rows)(keeper, None)
    assert keeper.kept is not None
    tensors = keeper.kept.tensors
    assert all(bool(torch.isfinite(tensor).all()) for name, tensor in tensors.items() if name.startswith("model"))


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)
