"""The contraction penalty, the squared Frobenius norm of J = dh/dx, in closed form, by probes, exactly, and
by draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional

from models.activations import activate, slope, slope_at
from models.errors import ModelError
from models.jacobian_products import encode_with_tangent, linearise_encoder, pairs_of
from models.layers import Autoencoder, ConvolutionPair, Pair
from models.randomness import draw_signs
from models.recipe_parts import LARGEST_EXACT_CODE, ContractionForm

Encoder = Callable[[Tensor], Tensor]
PenaltyForm = Literal["closed", "exact", "probe"]

# Up to here a deep encoder's penalty is taken exactly without being asked: a probe costs one product a layer, this
# one a code unit.
_EXACT_UNASKED = 4


class Contracted(NamedTuple):
    """The code of clean rows, and the squared Frobenius norm of J there, mean over the batch."""

    code: Float[Tensor, "batch ..."]
    penalty: Float[Tensor, ""]


def penalty_form(model: Autoencoder, asked: ContractionForm) -> PenaltyForm:
    """How the analytic penalty of a model is computed: exactly where that is cheap, else without bias.

    One layer has a closed form. A deep encoder is computed exactly where its code has at most 4 units, or at most 64
    and `exact` is asked for; otherwise one Hutchinson probe a row estimates the norm without bias.

    Raises:
        ModelError: a form was asked for that the model does not have.
    """
    size = model.code_size
    single = len(pairs_of(model)) == 1
    if asked == "closed" and not single:
        raise ModelError("contraction.form: closed came for a stack; allowed: auto, exact or probe")
    if asked == "exact" and size > LARGEST_EXACT_CODE:
        raise ModelError(
            f"contraction.form: exact came for a code of {size} units; allowed: auto, closed or probe above "
            f"{LARGEST_EXACT_CODE}"
        )
    if asked != "auto":
        return asked
    if single:
        return "closed"
    return "exact" if size <= _EXACT_UNASKED else "probe"


def encode_with_penalty(
    model: Autoencoder, x: Float[Tensor, "batch ..."], form: PenaltyForm, generator: torch.Generator
) -> Contracted:
    """h(x), and the analytic contraction penalty at x, sharing what they can.

    Args:
        model: a pair, or a stack (`closed`: of one pair).
        x: clean rows, (batch, *model.input_shape).
        form: as `penalty_form` chose it.
        generator: for probes, on x's device.

    Source: Rifai et al. 2011, eq. 3 and 4; Hutchinson 1990 for the probe.
    """
    match form:
        case "closed":
            (pair,) = pairs_of(model)
            # In bfloat16 training the pre-activation comes in half the bits; s' needs them where s saturates.
            preactivation = pair.encoder_preactivation(x).to(pair.weight.dtype)
            code = activate(pair.code_activation, preactivation)
            norm = _norm_by_slopes(pair, slope_at(pair.code_activation, code))
            code = code.reshape(-1, *model.code_shape)
        case "exact":
            linear = linearise_encoder(model, x)
            code = linear.value
            norm = _norm_by_unit(linear.pull, code)
        case "probe":
            # Directions in the input: one product a layer over [x; u], where vᵀ J would take two.
            code, moved = encode_with_tangent(model, x, draw_signs(x, generator))
            norm = moved.flatten(1).square().sum(1)
    return Contracted(code, norm.mean())


def dense_jacobian_norm(
    weight: Float[Tensor, "code features"], slopes: Float[Tensor, "batch code"]
) -> Float[Tensor, " batch"]:
    """Squared Frobenius norm of one dense layer's Jacobian, one number a row: Σ_i s'(a_i)² |W_i|².

    Args:
        weight: W.
        slopes: s'(a), of each row and unit.

    Source: Rifai et al. 2011, eq. 4, for any elementwise activation.
    """
    norms: Tensor = _SquaredRowNorms.apply(weight)
    return (slopes.square() * norms).sum(1)


class _SquaredRowNorms(torch.autograd.Function):
    """|W_i|² of each row i, whose gradient is 2 W_i: W is read once forwards and once back."""

    @staticmethod
    def forward(ctx: FunctionCtx, weight: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        norms: Tensor = torch.linalg.vector_norm(weight, dim=1)
        return norms.square_()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer: Tensor) -> Tensor:
        weight: Tensor = ctx.saved_tensors[0]
        return weight * (2 * outer)[:, None]


def convolution_jacobian_norm(
    weight: Float[Tensor, "code channels kernel kernel"],
    slopes: Float[Tensor, "batch code down across"],
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
        slopes: s'(a), at every channel and position of the code.
        image: (height, width) of the input.
        stride: of the convolution.
        padding: of the convolution, (down, across) or for both, with zeros, which are no inputs.
    """
    ones = weight.new_ones(1, weight.shape[1], *image)
    reached = functional.conv2d(ones, weight.square(), stride=stride, padding=padding)  # (1, code, down, across)
    return (slopes.square() * reached).sum(dim=(1, 2, 3))


def pair_jacobian_norm(pair: Pair, preactivation: Float[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:
    """Squared Frobenius norm of a pair's encoder Jacobian in closed form, one number a row, from its
    pre-activation."""
    return _norm_by_slopes(pair, slope(pair.code_activation, preactivation))


def _norm_by_slopes(pair: Pair, slopes: Tensor) -> Tensor:
    if isinstance(pair, ConvolutionPair):
        _, height, width = pair.input_shape
        image = (height, width)
        return convolution_jacobian_norm(pair.weight, slopes, image, stride=pair.stride, padding=pair.padding)
    return dense_jacobian_norm(pair.weight, slopes)


def _norm_by_unit(pull: Callable[[Tensor], Tensor], code: Tensor) -> Tensor:
    norm = code.new_zeros(code.shape[0])
    for unit in range(code[0].numel()):
        direction = torch.zeros_like(code).flatten(1)
        direction[:, unit] = 1
        norm = norm + pull(direction.reshape(code.shape)).flatten(1).square().sum(1)
    return norm


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
    (row,) = torch.autograd.grad(code, x, grad_outputs=draw_signs(code, generator), create_graph=True)
    return row.flatten(1).square().sum(1)
