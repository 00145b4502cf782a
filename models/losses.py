"""Reconstruction losses: a sum over features, a mean over the batch.

They take the reconstruction before its activation, because cross-entropy is exact only there.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from models.activations import activate
from models.errors import ModelError
from models.recipe_parts import Activation, Loss


def squared_error(x: Float[Tensor, "batch *shape"], reconstruction: Float[Tensor, "batch *shape"]) -> Float[Tensor, ""]:
    """Squared error, summed over features, mean over the batch; squared units of x."""
    return functional.mse_loss(reconstruction, x, reduction="sum") / x.shape[0]


def binary_cross_entropy(x: Float[Tensor, "batch *shape"], logits: Float[Tensor, "batch *shape"]) -> Float[Tensor, ""]:
    """Cross-entropy of Bernoulli pixels, summed over features, mean over the batch; nats.

    Args:
        x: in [0, 1].
        logits: the reconstruction before its sigmoid.

    Source: Vincent et al. 2010, section 2.2.
    """
    return functional.binary_cross_entropy_with_logits(logits, x, reduction="sum") / x.shape[0]


def reconstruction_loss(
    loss: Loss,
    activation: Activation,
    x: Float[Tensor, "batch *shape"],
    preactivation: Float[Tensor, "batch *shape"],
) -> Float[Tensor, ""]:
    """The named loss of a reconstruction that is s(preactivation), summed over features, mean over the batch.

    Raises:
        ModelError: cross-entropy of something that is no sigmoid; a validated recipe never asks for it.
    """
    if loss == "squared_error":
        return squared_error(x, activate(activation, preactivation))
    if activation != "sigmoid":
        raise ModelError(f"binary_cross_entropy of a {activation} reconstruction came; expected sigmoid")
    return binary_cross_entropy(x, preactivation)
