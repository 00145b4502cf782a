"""Walkback and the Jacobian walk, on small trained models and against an explicit Jacobian."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import Float32
from torch import Tensor

from models.chains import Walk, jacobian_step, walkback_step
from models.objectives import layer_objective
from models.preprocessing import build_preprocessing
from models.pretraining import pretrain_layer
from models.recipe import Corruption, Recipe, parse_recipe
from models.stack import Stack, build_stack

Digits = Float32[np.ndarray, "1797 8 8"]

_TRAINING: dict[str, Any] = {"epochs": 12, "batch_size": 64, "optimiser": {"learning_rate": 3e-3}}
_SHARED: dict[str, Any] = {"layers": [40], "tied_weights": True, "loss": "binary_cross_entropy"}
_CORRUPTION: dict[str, Any] = {"kind": "masking", "level": 0.25}
_CONTRACTION: dict[str, Any] = {"kind": "analytic", "weight": 0.1}


def learned(digits: Digits, **fields: Any) -> tuple[Stack, Recipe, Tensor, Tensor]:
    """A trained model of digits in [0, 1], its recipe, and the training and the held-out rows."""
    recipe = parse_recipe({"name": "small", "pretraining": _TRAINING, **_SHARED, **fields})
    stack = build_stack(recipe, (8, 8))
    rows = torch.from_numpy(digits[np.random.default_rng(0).permutation(len(digits))].reshape(-1, 64) / 16)
    train, held_out = rows[:1400], rows[1400:]
    pretrain_layer(
        stack.pairs[0],
        train.numpy(),
        held_out.numpy(),
        objective=layer_objective(recipe, 0),
        settings=recipe.pretraining,
        seed=0,
        layer_index=0,
    )
    return stack, recipe, train, held_out


@pytest.fixture(scope="module")
def denoising(digits: Digits) -> tuple[Stack, Recipe, Tensor, Tensor]:
    return learned(digits, kind="dae", corruption=_CORRUPTION)


@pytest.fixture(scope="module")
def contractive(digits: Digits) -> tuple[Stack, Recipe, Tensor, Tensor]:
    return learned(digits, kind="cae", contraction=_CONTRACTION)


def to_the_nearest(rows: Tensor, known: Tensor) -> float:
    """The mean distance of rows to the nearest of the known ones."""
    return float(torch.cdist(rows, known).amin(1).mean().item())


def random_codes_decoded(stack: Stack, train: Tensor, count: int) -> Tensor:
    """Codes drawn evenly from the box that holds the training codes, decoded."""
    codes = stack.encode(train)
    low, high = codes.amin(0), codes.amax(0)
    return stack.decode(low + (high - low) * torch.rand((count, codes.shape[1]), generator=generator()))


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@torch.no_grad()
def test_walkback_stays_nearer_to_unseen_data_than_a_random_code_decodes_to(
    denoising: tuple[Stack, Recipe, Tensor, Tensor],
) -> None:
    stack, recipe, train, held_out = denoising
    start, random = train[:100], generator()
    x = start
    for _ in range(5):
        x, z = walkback_step(stack, x, recipe.corruption, random)
    torch.testing.assert_close(x, stack.decode(z))
    assert to_the_nearest(x, held_out) < 0.92 * to_the_nearest(random_codes_decoded(stack, train, 100), held_out)
    # And it is no copy of where it started.
    assert float((x - start).norm(dim=1).min()) > 0.5


@torch.no_grad()
def test_walkback_corrupts_before_it_reconstructs(denoising: tuple[Stack, Recipe, Tensor, Tensor]) -> None:
    stack, _, train, _ = denoising
    x = train[:3]
    torch.testing.assert_close(walkback_step(stack, x, Corruption(), generator()).x, stack(x))
    salt = Corruption(kind="salt_and_pepper", level=0.99999)
    seen = walkback_step(stack, x, salt, generator(), low=-3.0, high=-3.0).z
    torch.testing.assert_close(seen, stack.encode(torch.full_like(x, -3)), atol=0.05, rtol=0)


@torch.no_grad()
def test_the_walk_moves_the_code_by_j_jt_and_the_noise(contractive: tuple[Stack, Recipe, Tensor, Tensor]) -> None:
    stack, _, train, _ = contractive
    x = train[:4]
    noise = 0.1 * torch.randn((4, 40), generator=generator())
    step = jacobian_step(stack, x, noise)
    jacobian = torch.stack([torch.func.jacrev(lambda row: stack.encode(row[None])[0])(row) for row in x])
    moved = torch.einsum("nif,njf,nj->ni", jacobian, jacobian, noise)
    assert float(moved.norm(dim=1).min()) > 0.1
    torch.testing.assert_close(step.z, stack.encode(x) + moved, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(step.x, stack.decode(step.z))


@torch.no_grad()
def test_a_walk_stays_nearer_to_unseen_data_than_a_random_code_decodes_to(
    contractive: tuple[Stack, Recipe, Tensor, Tensor],
) -> None:
    stack, _, train, held_out = contractive
    start, random = train[:100], generator()
    x = start
    for _ in range(5):
        x = jacobian_step(stack, x, 0.15 * torch.randn((100, 40), generator=random)).x
    assert to_the_nearest(x, held_out) < 0.85 * to_the_nearest(random_codes_decoded(stack, train, 100), held_out)
    # And it is no copy of where it started.
    assert float((x - start).norm(dim=1).min()) > 0.5


@torch.no_grad()
def test_the_exported_walk_speaks_the_datas_own_units(contractive: tuple[Stack, Recipe, Tensor, Tensor]) -> None:
    stack, recipe, train, _ = contractive
    preprocessing = build_preprocessing(
        recipe, (8, 8), minimum=[0.0], maximum=[16.0], mean=[0.0], standard_deviation=[1.0]
    )
    noise = 0.1 * torch.randn((3, 40), generator=generator())
    x, z = Walk(preprocessing, stack)(16 * train[:3].reshape(3, 8, 8), noise)
    expected = jacobian_step(stack, train[:3], noise)
    torch.testing.assert_close((x, z), (16 * expected.x.reshape(3, 8, 8), expected.z), atol=1e-4, rtol=1e-4)
