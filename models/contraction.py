"""The contraction penalty, the squared Frobenius norm of J = dh/dx, in closed form, by probes, exactly, and
by draws."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from models.activations import slope
from models.layers import ConvolutionPair, Pair
from models.recipe_parts import Activation

Encoder = Callable[[Tensor], Tensor]


def dense_jacobian_norm(
    weight: Float[Tensor, "code features"], activation: Activation, preactivation: Float[Tensor, "batch code"]
) -> Float[Tensor, " batch"]:
    """Squared Frobenius norm of one dense layer's Jacobian, one number a row: Σ_i s'(a_i)² |W_i|².

    Source: Rifai et al. 2011, eq. 4, for any elementwise activation.
    """
    return slope(activation, preactivation).square() @ weight.square().sum(1)


def convolution_jacobian_norm(
    weight: Float[Tensor, "code channels kernel kernel"],
    activation: Activation,
    preactivation: Float[Tensor, "batch code down across"],
    image: tuple[int, int],
    *,
    stride: int,
    padding: int | tuple[int, int],
) -> Float[Tensor, " batch"]:
    """Squared Frobenius norm of one convolution's Jacobian, one number a row: Σ s'(a)² · conv(1, w²).

    Convolving an image of ones with the squared kernel sums the weights that lie inside the image: borders
    included.

    Args:
        weight: the kernel w.
        activation: s.
        preactivation: a, at every channel and position of the code.
        image: (height, width) of the input.
        stride: of the convolution.
        padding: of the convolution, (down, across) or for both, with zeros, which are no inputs.
    """
    ones = weight.new_ones(1, weight.shape[1], *image)
    reached = functional.conv2d(ones, weight.square(), stride=stride, padding=padding)  # (1, code, down, across)
    return (slope(activation, preactivation).square() * reached).sum(dim=(1, 2, 3))


def pair_jacobian_norm(pair: Pair, preactivation: Float[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:
    """Squared Frobenius norm of a pair's encoder Jacobian in closed form, one number a row, from its
    pre-activation."""
    if isinstance(pair, ConvolutionPair):
        _, height, width = pair.input_shape
        return convolution_jacobian_norm(
            pair.weight,
            pair.code_activation,
            preactivation,
            (height, width),
            stride=pair.stride,
            padding=pair.padding,
        )
    return dense_jacobian_norm(pair.weight, pair.code_activation, preactivation)


def stochastic_penalty(
    code: Float[Tensor, "batch *code"], corrupted_code: Float[Tensor, "batch *code"]
) -> Float[Tensor, ""]:
    """|h(x) - h(x~)|², summed over units, mean over the batch.

    For Gaussian noise of deviation σ -> 0 it is σ² times the squared norm of J, so λ_CAE = σ² λ_SCAE.
    """
    return functional.mse_loss(corrupted_code, code, reduction="sum") / code.shape[0]


def exact_jacobian_norm(encode: Encoder, x: Float[Tensor, "batch *shape"]) -> Float[Tensor, " batch"]:
    """Squared Frobenius norm of any encoder's Jacobian, one number a row, by one vector-Jacobian product a
    code unit.

    Args:
        encode: from (batch, *shape) to (batch, *code), each row by itself.
        x: rows.
    """
    x = x.detach().requires_grad_()
    code = encode(x).flatten(1)
    norm = x.new_zeros(x.shape[0])
    for unit in code.unbind(1):
        (row,) = torch.autograd.grad(unit.sum(), x, retain_graph=True)
        norm = norm + row.flatten(1).square().sum(1)
    return norm


def hutchinson_jacobian_norm(
    encode: Encoder, x: Float[Tensor, "batch *shape"], generator: torch.Generator
) -> Float[Tensor, " batch"]:
    """An unbiased estimate of `exact_jacobian_norm` from one probe a row: |vᵀJ|² with v of fair signs, E[v
    vᵀ] = I.

    It can be differentiated with respect to the encoder's weights.

    Args:
        encode: from (batch, *shape) to (batch, *code), each row by itself.
        x: rows.
        generator: on x's device.
    """
    x = x.detach().requires_grad_()
    code = encode(x)
    signs = torch.randint(0, 2, code.shape, generator=generator, device=x.device).to(code.dtype) * 2 - 1
    (row,) = torch.autograd.grad(code, x, grad_outputs=signs, create_graph=True)
    return row.flatten(1).square().sum(1)
