"""`precision: auto`: when products are in half the bits, and what the recipe's own word does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models.objectives import layer_objective
from models.precision import multiplies_bfloat16, phase_precisions
from models.pretraining import pretrain_layer
from models.recipe import Recipe, parse_recipe
from models.stack import build_stack

Mapping = Callable[..., dict[str, Any]]

_NATIVE = "bfloat16" if multiplies_bfloat16("cpu") else "float32"
_STOCHASTIC = {"kind": "stochastic", "weight": 1.0, "corruption": {"kind": "gaussian", "level": 0.01}}


def weights(recipe: Recipe, features: int) -> Tensor:
    """The first layer's, after a few steps."""
    rows = np.random.default_rng(0).random((64, features), dtype=np.float32)
    (pair, *_) = build_stack(recipe, (features,)).pairs
    trained = pretrain_layer(
        pair,
        rows,
        rows[:8],
        objective=layer_objective(recipe, 0),
        settings=recipe.pretraining,
        seed=recipe.seed,
        layer_index=0,
    )
    return trained.state["weight"]


@pytest.mark.parametrize(
    ("features", "width", "fields", "expected"),
    [
        (256, 256, {}, _NATIVE),
        (256, 255, {}, "float32"),
        # A penalty on small differences between codes would be drowned in rounding.
        (256, 256, {"kind": "scae", "contraction": _STOCHASTIC}, "float32"),
        (256, 256, {"kind": "cae", "contraction": {"kind": "analytic", "weight": 0.1}}, _NATIVE),
    ],
)
def test_auto_halves_the_bits_where_that_is_faster_and_costs_nothing(
    recipe_mapping: Mapping, features: int, width: int, fields: dict[str, Any], expected: str
) -> None:
    def with_precision(precision: str) -> Recipe:
        pretraining = {"epochs": 1, "batch_size": 32, "precision": precision}
        return parse_recipe(recipe_mapping(layers=[width], pretraining=pretraining, **fields))

    learned = {name: weights(with_precision(name), features) for name in ("auto", "float32", "bfloat16")}
    assert torch.equal(learned["auto"], learned[expected])
    assert not torch.equal(learned["float32"], learned["bfloat16"])
    stated = phase_precisions(with_precision("auto"), (features,), 0, torch.device("cpu"))
    assert stated["layer_1"] == expected


def test_each_phase_has_a_precision_of_its_own(recipe_mapping: Mapping) -> None:
    once = {"epochs": 1}
    recipe = parse_recipe(
        recipe_mapping(
            layers=[300, 20],
            pretraining=once,
            fine_tuning={**once, "precision": "float32"},
            supervised_fine_tuning=once,
        )
    )
    assert phase_precisions(recipe, (300,), 10, torch.device("cpu")) == {
        "layer_1": _NATIVE,
        "layer_2": "float32",
        "fine_tuning": "float32",
        "supervised_fine_tuning": _NATIVE,
    }
