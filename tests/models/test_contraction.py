"""The penalty against a trusted engine: autograd in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.contraction import (
    encode_with_penalty,
    exact_jacobian_norm,
    hutchinson_jacobian_norm,
    pair_jacobian_norm,
    stochastic_penalty,
)
from models.corruption import corrupt
from models.layers import Pair, build_pair
from models.recipe import Activation, Convolution, Corruption, Dense, Layer

ACTIVATIONS: list[Activation] = ["sigmoid", "tanh", "relu", "linear"]


def pair_of(layer: Layer, shape: tuple[int, ...], activation: Activation) -> Pair:
    generator = torch.Generator().manual_seed(1)
    pair = build_pair(
        layer, shape, code_activation=activation, output_activation="linear", tied=True, generator=generator
    ).double()
    torch.nn.init.normal_(pair.encoder_bias, generator=generator)
    return pair


def rows_of(shape: tuple[int, ...], rows: int = 3) -> Tensor:
    return torch.rand((rows, *shape), generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def jacobians(pair: Pair, x: Tensor) -> list[Tensor]:
    """The whole Jacobian of each row, (code, features), by autograd."""
    found = []
    for row in x:
        jacobian = torch.func.jacrev(lambda one: pair.encode(one[None]).flatten())(row)
        found.append(jacobian.flatten(1))
    return found


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_dense_closed_form_is_the_jacobians_squared_norm(activation: Activation) -> None:
    pair, x = pair_of(Dense(width=5), (7,), activation), rows_of((7,))
    expected = torch.stack([jacobian.square().sum() for jacobian in jacobians(pair, x)])
    torch.testing.assert_close(pair_jacobian_norm(pair, pair.encoder_preactivation(x)), expected)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    ("kernel", "stride", "image"),
    [
        (3, 1, (6, 7)),
        (3, 2, (6, 7)),
        (4, 2, (6, 7)),
        (5, 3, (6, 7)),
        (2, 2, (6, 7)),
        (4, 2, (1, 9)),  # one row: padded by more than half the kernel
        (4, 4, (7, 3)),  # neither side divisible by the stride, one of them smaller than the kernel
        (5, 5, (5, 11)),
        (7, 2, (2, 3)),  # the kernel is larger than the image
    ],
)
def test_the_convolutions_closed_form_counts_borders_exactly(
    activation: Activation, kernel: int, stride: int, image: tuple[int, int]
) -> None:
    layer = Convolution(channels=3, kernel_size=kernel, stride=stride)
    pair, x = pair_of(layer, (2, *image), activation), rows_of((2, *image))
    expected = torch.stack([jacobian.square().sum() for jacobian in jacobians(pair, x)])
    torch.testing.assert_close(pair_jacobian_norm(pair, pair.encoder_preactivation(x)), expected)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    ("layer", "shape"), [(Dense(width=5), (7,)), (Convolution(channels=3, kernel_size=3, stride=2), (2, 6, 7))]
)
def test_the_closed_forms_gradient_is_autograds(layer: Layer, shape: tuple[int, ...], activation: Activation) -> None:
    pair, x = pair_of(layer, shape, activation), rows_of(shape)
    parameters = [pair.weight, pair.encoder_bias]
    ours = encode_with_penalty(pair, x, "closed", torch.Generator()).penalty
    # Differentiated twice: the Jacobian itself, and its norm.
    theirs = torch.stack([jacobian.square().sum() for jacobian in jacobians(pair, x)]).mean()
    expected = torch.autograd.grad(theirs, parameters, allow_unused=True, materialize_grads=True)
    found = torch.autograd.grad(ours, parameters, allow_unused=True, materialize_grads=True)
    torch.testing.assert_close(found, expected)


def test_the_exact_norm_of_a_deep_encoder_is_autograds() -> None:
    first, second = pair_of(Dense(width=5), (7,), "sigmoid"), pair_of(Dense(width=3), (5,), "tanh")
    x = rows_of((7,))

    def encode(rows: Tensor) -> Tensor:
        return second.encode(first.encode(rows))

    expected = [torch.func.jacrev(lambda one: encode(one[None])[0])(row).square().sum() for row in x]
    torch.testing.assert_close(exact_jacobian_norm(encode, x), torch.stack(expected))


def test_hutchinsons_probe_is_right_in_expectation() -> None:
    pair = pair_of(Dense(width=4), (6,), "sigmoid")
    x = rows_of((6,), rows=1).expand(20_000, 6)
    estimates = hutchinson_jacobian_norm(pair.encode, x, torch.Generator().manual_seed(3)).detach()
    expected = float(exact_jacobian_norm(pair.encode, x[:1]).item())
    spread = float(estimates.std().item()) / len(estimates) ** 0.5
    assert spread < 0.01 * expected
    assert abs(float(estimates.mean().item()) - expected) < 4 * spread


def test_hutchinsons_probe_passes_a_gradient_to_the_weights() -> None:
    pair = pair_of(Dense(width=4), (6,), "sigmoid")
    norm = hutchinson_jacobian_norm(pair.encode, rows_of((6,)), torch.Generator().manual_seed(3))
    torch.autograd.backward(norm.sum())
    assert pair.weight.grad is not None
    assert float(pair.weight.grad.abs().sum()) > 0


def test_small_gaussian_noise_makes_the_stochastic_penalty_the_analytic_one() -> None:
    pair, sigma = pair_of(Dense(width=4), (6,), "sigmoid"), 1e-3
    x = rows_of((6,), rows=1).expand(40_000, 6)
    seen = corrupt(x, Corruption(kind="gaussian", level=sigma), torch.Generator().manual_seed(4)).x
    penalty = float(stochastic_penalty(pair.encode(x), pair.encode(seen)).item())
    expected = sigma**2 * float(exact_jacobian_norm(pair.encode, x[:1]).item())
    assert penalty == pytest.approx(expected, rel=0.02)


def test_masking_adds_a_mean_shift_to_the_stochastic_penalty() -> None:
    # Exact for a linear encoder: nu (1 - nu) sum_j x_j^2 |J_:j|^2 + nu^2 |J x|^2.
    pair, nu = pair_of(Dense(width=4), (6,), "linear"), 0.25
    pair.weight.data.abs_()  # so that the shift counts
    row = rows_of((6,), rows=1)
    x = row.expand(40_000, 6)
    seen = corrupt(x, Corruption(kind="masking", level=nu), torch.Generator().manual_seed(5)).x
    penalty = float(stochastic_penalty(pair.encode(x), pair.encode(seen)).item())
    variance = float((pair.weight.square().sum(0) * row[0].square()).sum().item())
    shift = float((pair.weight @ row[0]).square().sum().item())
    assert penalty == pytest.approx(nu * (1 - nu) * variance + nu**2 * shift, rel=0.02)
    assert nu * shift > (1 - nu) * variance
