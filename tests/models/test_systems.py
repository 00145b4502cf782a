"""What sets the systems apart, on digits they have not seen: contracted codes, and noisy rows rebuilt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import Float32
from torch import Tensor

from models.contraction import pair_jacobian_norm
from models.corruption import corrupt
from models.layers import Pair
from models.objectives import layer_objective
from models.pretraining import pretrain_layer
from models.randomness import make_generator
from models.recipe import parse_recipe
from models.recipe_parts import Corruption
from models.stack import build_stack

Digits = Float32[np.ndarray, "rows 8 8"]

_MASKING = {"kind": "masking", "level": 0.25}
_SYSTEMS: dict[str, dict[str, Any]] = {
    "ae": {},
    "dae": {"corruption": _MASKING},
    "cae": {"contraction": {"kind": "analytic", "weight": 0.1}},
    "scae": {"contraction": {"kind": "stochastic", "weight": 1, "corruption": {"kind": "gaussian", "level": 0.3}}},
}
_LAYERS: dict[str, Any] = {
    "dense": 64,
    "convolutional": {"kind": "convolution", "channels": 16, "kernel_size": 4, "stride": 2},
}
_KNOWN = 1_000


def rows_of(digits: Digits, layer: str) -> Tensor:
    rows = torch.from_numpy(digits / np.float32(16))
    return rows.flatten(1) if layer == "dense" else rows[:, None]


@pytest.fixture(scope="module")
def learned(digits: Digits) -> Callable[[str, str], Pair]:
    """One layer of a system, learned once from the first digits."""
    known: dict[tuple[str, str], Pair] = {}

    def learn(system: str, layer: str) -> Pair:
        if (system, layer) not in known:
            sigmoids = {"activation": "sigmoid", "code_activation": "sigmoid", "output_activation": "sigmoid"}
            training = {"epochs": 12, "batch_size": 50, "optimiser": {"learning_rate": 0.01}}
            described = {"name": "one", "kind": system, "layers": [_LAYERS[layer]], "tied_weights": True, **sigmoids}
            recipe = parse_recipe({**described, "pretraining": training, **_SYSTEMS[system]})
            (pair,) = build_stack(recipe, (8, 8)).pairs
            rows = rows_of(digits, layer).numpy()
            pretrain_layer(
                pair,
                rows[:_KNOWN],
                rows[_KNOWN : _KNOWN + 20],
                objective=layer_objective(recipe, 0),
                settings=recipe.pretraining,
                seed=0,
                layer_index=0,
            )
            known[system, layer] = pair
        return known[system, layer]

    return learn


@pytest.mark.parametrize("layer", list(_LAYERS))
@pytest.mark.parametrize("system", ["cae", "scae"])
def test_contraction_leaves_a_smaller_average_jacobian_norm(
    learned: Callable[[str, str], Pair], digits: Digits, system: str, layer: str
) -> None:
    new = rows_of(digits, layer)[_KNOWN:]
    pairs = learned("ae", layer), learned(system, layer)
    with torch.no_grad():
        norms = [float(pair_jacobian_norm(pair, pair.encoder_preactivation(new)).sqrt().mean()) for pair in pairs]
    assert norms[1] < 0.8 * norms[0]


@pytest.mark.parametrize("layer", list(_LAYERS))
def test_denoising_rebuilds_noisy_rows_better(learned: Callable[[str, str], Pair], digits: Digits, layer: str) -> None:
    new = rows_of(digits, layer)[_KNOWN:]
    noisy = corrupt(new, Corruption(kind="masking", level=0.25), make_generator(0, "noise", "new rows")).x
    pairs = learned("ae", layer), learned("dae", layer)
    with torch.no_grad():
        errors = [float((pair(noisy) - new).square().flatten(1).sum(1).mean()) for pair in pairs]
    assert errors[1] < 0.9 * errors[0]
