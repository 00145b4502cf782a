"""J u and vᵀ J, written out, against autograd in float64."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from models.jacobian_products import Linearisation, encode_with_tangent, linearise_encoder
from models.layers import Autoencoder, Pair, build_pair
from models.recipe import Activation, Convolution, Dense, Layer
from models.stack import Stack

ACTIVATIONS: list[Activation] = ["sigmoid", "tanh", "relu", "linear"]
LAYERS: list[tuple[Layer, tuple[int, ...]]] = [
    (Dense(width=5), (7,)),
    (Dense(width=4), (2, 3, 3)),
    (Convolution(channels=3, kernel_size=3, stride=1), (2, 5, 7)),
    (Convolution(channels=3, kernel_size=3, stride=2), (2, 6, 7)),
    (Convolution(channels=2, kernel_size=4, stride=2), (1, 7, 5)),
]


def pair_of(layer: Layer, shape: tuple[int, ...], code: Activation, output: Activation, *, tied: bool) -> Pair:
    generator = torch.Generator().manual_seed(1)
    pair = build_pair(
        layer, shape, code_activation=code, output_activation=output, tied=tied, generator=generator
    ).double()
    for bias in (pair.encoder_bias, pair.decoder_bias):
        torch.nn.init.normal_(bias, generator=generator)
    return pair


def mixed_stack(*, tied: bool) -> Stack:
    """Convolutions over odd sizes and dense layers, and each activation somewhere."""
    first = pair_of(Convolution(channels=3, kernel_size=3, stride=2), (2, 7, 5), "relu", "sigmoid", tied=tied)
    second = pair_of(Convolution(channels=2, kernel_size=3, stride=1), first.code_shape, "tanh", "relu", tied=tied)
    third = pair_of(Dense(width=6), second.code_shape, "sigmoid", "tanh", tied=tied)
    return Stack([first, second, third, pair_of(Dense(width=3), (6,), "linear", "sigmoid", tied=tied)])


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def autograd_jvp(function: Callable[[Tensor], Tensor], x: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """f(x) and J u, both with a gradient."""
    value, pushed = torch.autograd.functional.jvp(function, x, u, create_graph=True)  # type: ignore[no-untyped-call]
    return value, pushed


def autograd_vjp(function: Callable[[Tensor], Tensor], x: Tensor, v: Tensor) -> Tensor:
    pulled: Tensor = torch.autograd.functional.vjp(function, x, v)[1]  # type: ignore[no-untyped-call]
    return pulled


def products_are_autograds(function: Callable[[Tensor], Tensor], found: Linearisation, x: Tensor) -> None:
    u, v = draw(5, *x.shape), draw(6, *found.value.shape)
    value, pushed = autograd_jvp(function, x, u)
    pulled = autograd_vjp(function, x, v)
    torch.testing.assert_close(found.value, value)
    torch.testing.assert_close(found.push(u), pushed)
    torch.testing.assert_close(found.pull(v), pulled)


def products_of_the_encoder_are_autograds(model: Autoencoder) -> None:
    x = draw(3, 4, *model.input_shape)
    products_are_autograds(model.encode, linearise_encoder(model, x), x)
    u = draw(7, *x.shape)
    both = encode_with_tangent(model, x, u)
    torch.testing.assert_close(tuple(both), autograd_jvp(model.encode, x, u))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(("layer", "shape"), LAYERS)
def test_the_products_of_one_layer_are_autograds(
    layer: Layer, shape: tuple[int, ...], activation: Activation, tied: bool
) -> None:
    output = ACTIVATIONS[(ACTIVATIONS.index(activation) + 1) % len(ACTIVATIONS)]
    products_of_the_encoder_are_autograds(pair_of(layer, shape, activation, output, tied=tied))


@pytest.mark.parametrize("image", [(2, 5, 7), (1, 6, 4)])
def test_the_products_of_an_encoder_whose_decoder_resizes_are_autograds(image: tuple[int, ...]) -> None:
    layer = Convolution(channels=3, kernel_size=3, stride=2, up="resize")
    products_of_the_encoder_are_autograds(pair_of(layer, image, "tanh", "sigmoid", tied=False))


@pytest.mark.parametrize("tied", [False, True])
def test_the_products_of_a_mixed_stack_are_autograds(tied: bool) -> None:
    products_of_the_encoder_are_autograds(mixed_stack(tied=tied))


def test_the_squared_tangent_has_autograds_gradient_in_every_weight() -> None:
    stack, x, u = mixed_stack(tied=False), draw(3, 4, 2, 7, 5), draw(4, 4, 2, 7, 5)
    reached = [parameter for name, parameter in stack.named_parameters() if "decoder" not in name]

    def gradients(tangent: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad(tangent.square().sum(), reached, allow_unused=True, materialize_grads=True)

    expected = gradients(autograd_jvp(stack.encode, x, u)[1])
    found = gradients(encode_with_tangent(stack, x, u).tangent)
    assert all(float(gradient.abs().sum()) > 0 for gradient in found[:-1])  # the last bias moves no slope
    torch.testing.assert_close(found, expected)
