"""Products with the Jacobian of an encoder, J u and vᵀ J, written out: J is never built, autograd never asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from models.activations import activate, slope_at
from models.layers import Autoencoder, ConvolutionPair, DensePair, Pair
from models.recipe_parts import Activation
from models.stack import Stack


class WithTangent(NamedTuple):
    """A code h(x), and J u beside it, of the same shape."""

    value: Float[Tensor, "batch ..."]
    tangent: Float[Tensor, "batch ..."]


@dataclass(frozen=True)
class _Layer:
    """s(A x + b): the linear map and its transpose, each without the bias."""

    forth: Callable[[Tensor], Tensor]
    back: Callable[[Tensor], Tensor]
    bias: Tensor
    activation: Activation


@dataclass(frozen=True)
class Linearisation:
    """h at x, and its Jacobian J there as two products. Differentiable, and exportable as ONNX.

    value: h(x), (batch, *code shape).
    """

    value: Float[Tensor, "batch ..."]
    _layers: tuple[_Layer, ...]
    _slopes: tuple[Tensor, ...]
    _input_shape: tuple[int, ...]

    def push(self, u: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """J u, of value's shape, of u, (batch, *input shape): the Jacobian-vector product of each row."""
        for layer, slope in zip(self._layers, self._slopes, strict=True):
            u = slope * layer.forth(u)
        return u.reshape(self.value.shape)

    def pull(self, v: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """vᵀ J, (batch, *input shape), of v, of value's shape: the vector-Jacobian product of each row."""
        for layer, slope in zip(reversed(self._layers), reversed(self._slopes), strict=True):
            v = layer.back(slope * v.reshape(slope.shape))
        return v.reshape(-1, *self._input_shape)


def linearise_encoder(model: Autoencoder, x: Float[Tensor, "batch ..."]) -> Linearisation:
    """The encoder h of a pair or a stack at x, and the products with dh/dx.

    Args:
        model: a pair, or a whole stack.
        x: (batch, *model.input_shape), scaled units or codes of the layer below.
    """
    layers = tuple(_encoder(pair) for pair in pairs_of(model))
    slopes = []
    for layer in layers:
        x = activate(layer.activation, layer.forth(x) + layer.bias)
        slopes.append(slope_at(layer.activation, x))
    return Linearisation(x.reshape(-1, *model.code_shape), layers, tuple(slopes), model.input_shape)


def encode_with_tangent(
    model: Autoencoder, x: Float[Tensor, "batch ..."], u: Float[Tensor, "batch ..."]
) -> WithTangent:
    """h(x) and J u, by one product a layer over the batch [x; u].

    With E[u uᵀ] = I the mean of |J u|² is the squared Frobenius norm of J, and its gradient reaches the weights.

    Args:
        model: a pair, or a whole stack.
        x: (batch, *model.input_shape), scaled units or codes of the layer below.
        u: directions, of x's shape.

    Returns:
        Two tensors (batch, *model.code_shape).
    """
    rows = x.shape[0]
    both = torch.cat([x.reshape(rows, -1), u.reshape(rows, -1)])
    for layer in (_encoder(pair) for pair in pairs_of(model)):
        linear, tangent = layer.forth(both).chunk(2)
        code = activate(layer.activation, linear + layer.bias)
        both = torch.cat([code, slope_at(layer.activation, code) * tangent])
    value, tangent = both.reshape(-1, *model.code_shape).chunk(2)
    return WithTangent(value, tangent)


def pairs_of(model: Autoencoder) -> tuple[Pair, ...]:
    """The pairs of a stack, or the pair itself, from the data up."""
    if isinstance(model, Stack):
        return model.pairs
    assert isinstance(model, DensePair | ConvolutionPair)  # noqa: S101 - there are no other models
    return (model,)


def _encoder(pair: Pair) -> _Layer:
    if isinstance(pair, ConvolutionPair):
        down, up = _convolution(pair)
        return _Layer(down, up, pair.encoder_bias[:, None, None], pair.code_activation)
    weight = pair.weight
    return _Layer(
        forth=lambda x: functional.linear(x.flatten(1), weight),
        back=lambda v: v @ weight,
        bias=pair.encoder_bias,
        activation=pair.code_activation,
    )


def _convolution(pair: ConvolutionPair) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """A pair's convolution, and the transposed one that is its transpose, borders included."""
    weight, stride, padding = pair.weight, pair.stride, pair.padding

    def down(x: Tensor) -> Tensor:
        return functional.conv2d(x.reshape(-1, *pair.input_shape), weight, None, stride, padding)

    def up(z: Tensor) -> Tensor:
        image = z.reshape(-1, *pair.code_shape)
        return functional.conv_transpose2d(image, weight, None, stride, padding, pair.output_padding)

    return down, up
