"""Reconstruction losses: a sum over features, a mean over the batch.

They take the reconstruction before its activation, because cross-entropy is exact only there.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
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
    return functional.binary_cross_entropy_with_logits(logits, x, weight, reduction="sum") / x.shape[0]


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
        return squared_error(x, activate(activation, preactivation), weight)
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
