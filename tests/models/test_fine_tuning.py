"""Supervised fine-tuning, early stopping, precision: what a classifier learns, and what each setting does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import Float32
from sklearn.datasets import load_digits
from torch import Tensor

from models.classifier import Classifier, build_classifier
from models.contraction import exact_jacobian_norm
from models.errors import ShapeError
from models.fine_tuning import fine_tune_classifier
from models.objectives import layer_objective
from models.pretraining import encode_rows, pretrain_layer
from models.recipe import Recipe, parse_recipe
from models.stack import build_stack
from models.training import Examples, Trained

Mapping = Callable[..., dict[str, Any]]
Digits = Float32[np.ndarray, "rows 8 8"]

_SUPERVISED = {"epochs": 25, "batch_size": 50, "optimiser": {"learning_rate": 0.005}}


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    return np.asarray(load_digits().target, dtype=np.int64)


@pytest.fixture
def rows(digits: Digits) -> np.ndarray:
    return np.ascontiguousarray(digits.reshape(-1, 64) / np.float32(16))


def learn(recipe: Recipe, rows: np.ndarray, labels: np.ndarray) -> tuple[Classifier, Trained]:
    """A classifier of 600 digits, watched on 200 others, from initial weights."""
    classifier = build_classifier(recipe, (8, 8), 10)
    trained = fine_tune_classifier(
        classifier,
        Examples(rows[:600], labels[:600]),
        Examples(rows[600:800], labels[600:800]),
        settings=recipe.supervised_fine_tuning,
        seed=recipe.seed,
    )
    return classifier, trained


def error(classifier: Classifier, rows: np.ndarray, labels: np.ndarray) -> float:
    with torch.no_grad():
        return float((classifier(torch.from_numpy(rows)).argmax(1).numpy() != labels).mean())


def test_a_classifier_learns_digits_it_has_not_seen(
    recipe_mapping: Mapping, rows: np.ndarray, labels: np.ndarray
) -> None:
    recipe = parse_recipe(recipe_mapping(layers=[40, 20], supervised_fine_tuning=_SUPERVISED))
    classifier, trained = learn(recipe, rows, labels)
    assert error(classifier, rows[800:1200], labels[800:1200]) < 0.12
    reported = trained.reports[-1].validation_error
    assert reported == pytest.approx(error(classifier, rows[600:800], labels[600:800]))


def test_supervised_fine_tuning_leaves_the_decoder_as_it_was(
    recipe_mapping: Mapping, rows: np.ndarray, labels: np.ndarray
) -> None:
    recipe = parse_recipe(recipe_mapping(layers=[12, 6], supervised_fine_tuning={"epochs": 1}))
    initial = build_classifier(recipe, (8, 8), 10).state_dict()
    _, trained = learn(recipe, rows, labels)
    moved = {name for name, tensor in trained.state.items() if not torch.equal(tensor, initial[name])}
    assert moved == {
        *(f"stack._pairs.{layer}.{name}" for layer in (0, 1) for name in ("weight", "encoder_bias")),
        "head.weight",
        "head.bias",
    }


def test_pretrained_weights_are_a_better_start_where_labels_are_few(
    recipe_mapping: Mapping, rows: np.ndarray, labels: np.ndarray
) -> None:
    """What pre-training is for: 100 labels, after learning from 1,200 rows without them (Bengio et al. 2007)."""
    optimiser = {"learning_rate": 0.01}
    recipe = parse_recipe(
        recipe_mapping(
            kind="sdae",
            layers=[60, 30],
            corruption={"kind": "masking", "level": 0.25},
            pretraining={"epochs": 15, "batch_size": 50, "optimiser": optimiser},
            supervised_fine_tuning={"epochs": 4, "batch_size": 20, "optimiser": {"learning_rate": 0.003}},
        )
    )
    stack, inputs = build_stack(recipe, (8, 8)), rows[:1200]
    for index, pair in enumerate(stack.pairs):
        objective, settings = layer_objective(recipe, index), recipe.pretraining
        pretrain_layer(pair, inputs, inputs[:50], objective=objective, settings=settings, seed=0, layer_index=index)
        codes = np.empty((len(inputs), *pair.code_shape), np.float32)
        encode_rows(pair, inputs, codes)
        inputs = codes
    found = {}
    for start in ("random", "pretrained"):
        classifier = build_classifier(recipe, (8, 8), 10)
        if start == "pretrained":
            classifier.stack.load_state_dict(stack.state_dict())
        few = Examples(rows[:100], labels[:100])
        fine_tune_classifier(classifier, few, few, settings=recipe.supervised_fine_tuning, seed=0)
        found[start] = error(classifier, rows[1200:], labels[1200:])
    assert found["pretrained"] < found["random"]


def test_patience_keeps_the_weights_of_the_best_epoch_and_stops(
    recipe_mapping: Mapping, rows: np.ndarray, labels: np.ndarray
) -> None:
    # A learning rate that is far too large: the figure jumps about, so that the best epoch is soon behind.
    settings = {"epochs": 60, "patience": 3, "batch_size": 50, "optimiser": {"learning_rate": 0.1}}
    recipe = parse_recipe(recipe_mapping(layers=[12], supervised_fine_tuning=settings))
    classifier, trained = learn(recipe, rows, labels)
    errors = [report.validation_error or 0.0 for report in trained.reports]
    best = max(number for number, report in enumerate(trained.reports) if report.best)
    assert len(errors) == best + 1 + 3 < 60
    assert errors[best] == min(errors) < errors[-1]
    assert error(classifier, rows[600:800], labels[600:800]) == pytest.approx(errors[best])


def test_corruption_in_supervised_fine_tuning_changes_what_is_learned_and_not_what_is_watched(
    recipe_mapping: Mapping, rows: np.ndarray, labels: np.ndarray
) -> None:
    noise = {"kind": "salt_and_pepper", "level": 0.4}
    states = []
    for settings in ({"epochs": 1}, {"epochs": 1, "corruption": noise}):
        recipe = parse_recipe(recipe_mapping(layers=[12], supervised_fine_tuning=settings))
        classifier, trained = learn(recipe, rows, labels)
        assert trained.reports[0].validation_error == pytest.approx(error(classifier, rows[600:800], labels[600:800]))
        states.append(trained.state["head.weight"])
    assert not torch.equal(*states)


@pytest.mark.parametrize("layers", [[12], [12, 6]])
def test_contraction_in_supervised_fine_tuning_contracts_the_encoder(
    recipe_mapping: Mapping, rows: np.ndarray, labels: np.ndarray, layers: list[int]
) -> None:
    norms = []
    for weight in (0.0, 0.1):
        contraction = {"kind": "analytic", "weight": weight}
        settings = {**_SUPERVISED, "epochs": 4, "contraction": contraction}
        classifier, _ = learn(
            parse_recipe(recipe_mapping(layers=layers, supervised_fine_tuning=settings)), rows, labels
        )
        norms.append(float(exact_jacobian_norm(classifier.stack.encode, torch.from_numpy(rows[800:900])).mean()))
    assert norms[1] < 0.5 * norms[0]


def test_bfloat16_products_learn_as_well_and_keep_weights_in_float32(
    recipe_mapping: Mapping, rows: np.ndarray, labels: np.ndarray
) -> None:
    found: dict[str, float] = {}
    states: list[Tensor] = []
    for precision in ("float32", "bfloat16"):
        settings = {**_SUPERVISED, "precision": precision}
        recipe = parse_recipe(recipe_mapping(layers=[40, 20], supervised_fine_tuning=settings))
        classifier, trained = learn(recipe, rows, labels)
        assert {tensor.dtype for tensor in trained.state.values()} == {torch.float32}
        found[precision] = error(classifier, rows[800:1200], labels[800:1200])
        states.append(trained.state["head.weight"])
    assert not torch.equal(*states)
    assert found["bfloat16"] == pytest.approx(found["float32"], abs=0.03)


def test_labels_are_asked_for_by_name(recipe_mapping: Mapping, rows: np.ndarray, labels: np.ndarray) -> None:
    recipe = parse_recipe(recipe_mapping(layers=[12], supervised_fine_tuning={"epochs": 1}))
    for given, message in ((None, "no labels came"), (labels[:5], "one for each of 600 rows")):
        with pytest.raises(ShapeError, match=message):
            fine_tune_classifier(
                build_classifier(recipe, (8, 8), 10),
                Examples(rows[:600], given),
                Examples(rows[:600], labels[:600]),
                settings=recipe.supervised_fine_tuning,
                seed=0,
            )
