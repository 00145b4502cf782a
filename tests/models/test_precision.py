"""`precision: auto`: when products are in half the bits, and what stays in float32 whatever they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from models.learning import Examples, Trained
from models.objectives import Reconstruction, layer_objective
from models.precision import precision_of_products
from models.pretraining import pretrain_layer
from models.recipe import Recipe, parse_recipe
from models.recipe_parts import Precision
from models.stack import build_stack
from models.training import train

Mapping = Callable[..., dict[str, Any]]

_STOCHASTIC = {"kind": "stochastic", "weight": 1.0, "corruption": {"kind": "gaussian", "level": 0.01}}


@pytest.fixture(params=[True, False], ids=["multiplies bfloat16", "emulates it"])
def native(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """A processor of either kind: the rule is the same on the one that tests run on."""
    monkeypatch.setattr("models.precision.multiplies_bfloat16", lambda _: request.param)
    return bool(request.param)


def trained_layer(recipe: Recipe, features: int) -> Trained:
    """The first layer, after a few steps."""
    rows = np.random.default_rng(0).random((64, features), dtype=np.float32)
    (pair, *_) = build_stack(recipe, (features,)).pairs
    return pretrain_layer(
        pair,
        rows,
        rows[:8],
        objective=layer_objective(recipe, 0),
        settings=recipe.pretraining,
        seed=recipe.seed,
        layer_index=0,
    )


@pytest.mark.parametrize(
    ("width", "fields", "worth_it"),
    [
        (256, {}, True),
        (255, {}, False),
        # A penalty on small differences between codes would be drowned in rounding.
        (256, {"kind": "scae", "contraction": _STOCHASTIC}, False),
        (256, {"kind": "cae", "contraction": {"kind": "analytic", "weight": 0.1}}, True),
    ],
)
def test_auto_halves_the_bits_where_that_is_faster_and_costs_nothing(
    recipe_mapping: Mapping, native: bool, width: int, fields: dict[str, Any], worth_it: bool
) -> None:
    def with_precision(precision: str) -> Recipe:
        pretraining = {"epochs": 1, "batch_size": 32, "precision": precision}
        return parse_recipe(recipe_mapping(layers=[width], pretraining=pretraining, **fields))

    expected = "bfloat16" if native and worth_it else "float32"
    trained = {name: trained_layer(with_precision(name), 256) for name in ("auto", "float32", "bfloat16")}
    learned = {name: one.state["weight"] for name, one in trained.items()}
    assert torch.equal(learned["auto"], learned[expected])
    assert not torch.equal(learned["float32"], learned["bfloat16"])
    assert {name: one.precision for name, one in trained.items()} == {
        "auto": expected,
        "float32": "float32",
        "bfloat16": "bfloat16",
    }


@pytest.mark.parametrize(
    ("asked", "width", "small_differences", "taken"),
    [
        ("auto", 256, False, "bfloat16"),
        ("auto", 255, False, "tf32"),
        ("auto", 255, True, "float32"),
        ("float32", 255, False, "float32"),
        ("bfloat16", 255, False, "bfloat16"),
    ],
)
def test_on_a_gpu_small_layers_take_tf32_and_what_was_asked_to_be_float32_does_not(
    monkeypatch: pytest.MonkeyPatch, asked: Precision, width: int, small_differences: bool, taken: str
) -> None:
    monkeypatch.setattr("models.precision.multiplies_bfloat16", lambda kind: kind == "cuda")
    model, device = torch.nn.Linear(256, width), torch.device("cuda")
    assert precision_of_products(asked, model, device, small_differences=small_differences) == taken


def test_a_gpu_that_does_not_multiply_bfloat16_takes_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.precision.multiplies_bfloat16", lambda _: False)
    model, device = torch.nn.Linear(256, 256), torch.device("cuda")
    assert precision_of_products("auto", model, device, small_differences=False) == "float32"


def test_validation_is_measured_in_float32_whatever_was_trained_in(recipe_mapping: Mapping) -> None:
    settings = {"epochs": 1, "batch_size": 32, "precision": "bfloat16"}
    recipe = parse_recipe(recipe_mapping(layers=[20], pretraining=settings))
    rows = np.random.default_rng(0).random((64, 30), dtype=np.float32)
    (pair,) = build_stack(recipe, (30,)).pairs
    problem = Reconstruction(pair, layer_objective(recipe, 0))
    trained = train(
        pair, problem, Examples(rows), Examples(rows[:8]), settings=recipe.pretraining, seed=recipe.seed, stage=0
    )
    with torch.no_grad():
        (exact,) = problem.figures(torch.from_numpy(rows[:8]), None, torch.Generator())
    assert trained.reports[-1].validation_loss == float(exact)
