"""Reconstruction losses: a sum over features, a mean over the batch.

They take the reconstruction before its activation, because cross-entropy is exact only there.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional

from models.activations import activate
from models.errors import ModelError
from models.recipe_parts import Activation, Emphasis, Loss


def squared_error(
    x: Float[Tensor, "batch *shape"],
    reconstruction: Float[Tensor, "batch *shape"],
    weight: Float[Tensor, "batch *shape"] | None = None,
) -> Float[Tensor, ""]:
    """Squared error, summed over features, mean over the batch; squared units of x.

    Args:
        x: what was to be reconstructed.
        reconstruction: of it.
        weight: of each entry; 1 where nothing comes.
    """
    if weight is None:
        return functional.mse_loss(reconstruction, x, reduction="sum") / x.shape[0]
    return (functional.mse_loss(reconstruction, x, reduction="none") * weight).sum() / x.shape[0]


def binary_cross_entropy(
    x: Float[Tensor, "batch *shape"],
    logits: Float[Tensor, "batch *shape"],
    weight: Float[Tensor, "batch *shape"] | None = None,
) -> Float[Tensor, ""]:
    """Cross-entropy of Bernoulli pixels, summed over features, mean over the batch; nats.

    Args:
        x: in [0, 1].
        logits: the reconstruction before its sigmoid.
        weight: of each entry; 1 where nothing comes.

    Source: Vincent et al. 2010, section 2.2.
    """
    # In bfloat16 training the logits come in half the bits; losses are float32.
    total: Tensor = _BernoulliCrossEntropy.apply(logits.to(x.dtype), x, weight)
    return total / x.shape[0]


class _BernoulliCrossEntropy(torch.autograd.Function):
    """Σ w (max(a, 0) - a x - log max(σ(a), σ(-a))), which is Σ w log(1 + exp(a)) - w a x without overflow.

    Its gradient is w (σ(a) - x). One sigmoid serves both; torch's own takes a log1p, which costs a CPU ten times as
    much as a logarithm. Between 1/2 and 1 that is as exact.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, logits: Tensor, x: Tensor, weight: Tensor | None) -> Tensor:
        mean = torch.sigmoid(logits)
        log = torch.maximum(mean, 1 - mean).log_()
        entries = torch.addcmul(torch.relu(logits), logits, x, value=-1).sub_(log)
        gradient = mean.sub_(x)
        if weight is not None:
            entries.mul_(weight)
            gradient.mul_(weight)
        ctx.save_for_backward(gradient)
        return entries.sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return outer * gradient, None, None


def reconstruction_loss(
    loss: Loss,
    activation: Activation,
    x: Float[Tensor, "batch *shape"],
    preactivation: Float[Tensor, "batch *shape"],
    weight: Float[Tensor, "batch *shape"] | None = None,
) -> Float[Tensor, ""]:
    """The named loss of a reconstruction that is s(preactivation), summed over features, mean over the batch.

    Raises:
        ModelError: cross-entropy of something that is no sigmoid; a validated recipe never asks for it.
    """
    if loss == "squared_error":
        # Half the bits would round a sigmoid above 6.2 to 1, where nothing is learned any more.
        return squared_error(x, activate(activation, preactivation.to(x.dtype)), weight)
    if activation != "sigmoid":
        raise ModelError(f"binary_cross_entropy of a {activation} reconstruction came; expected sigmoid")
    return binary_cross_entropy(x, preactivation, weight)


def emphasised_weight(
    emphasis: Emphasis, touched: Bool[Tensor, "batch *shape"] | None, x: Float[Tensor, "batch *shape"]
) -> Float[Tensor, "batch *shape"]:
    """The weight of each entry of a reconstruction: α where the corruption touched it, β elsewhere.

    Args:
        emphasis: α and β.
        touched: by the corruption; None: nothing was.
        x: the clean rows, for shape and type.

    Source: Vincent et al. 2010, section 4.3.
    """
    if touched is None:
        return torch.full_like(x, emphasis.untouched)
    return torch.where(touched, emphasis.corrupted, emphasis.untouched).to(x.dtype)


def classification_loss(logits: Float[Tensor, "batch classes"], labels: Int64[Tensor, " batch"]) -> Float[Tensor, ""]:
    """Cross-entropy of the softmax with the labels, mean over the batch; nats."""
    return functional.cross_entropy(logits, labels)
