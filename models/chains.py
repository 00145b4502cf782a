"""Chains that wander along the learned manifold: walkback for denoising models, the Jacobian walk for contractive
ones. The service runs the same chains on the exported graphs."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.corruption import corrupt
from models.jacobian_products import linearise_encoder
from models.layers import Autoencoder
from models.preprocessing import Preprocessing
from models.recipe_parts import Corruption
from models.stack import Stack


class Step(NamedTuple):
    """A row of a chain and the code that it was decoded from: x = g(z)."""

    x: Float[Tensor, "batch ..."]
    z: Float[Tensor, "batch ..."]


def walkback_step(
    model: Autoencoder,
    x: Float[Tensor, "batch ..."],
    corruption: Corruption,
    generator: torch.Generator,
    *,
    low: float = 0.0,
    high: float = 1.0,
) -> Step:
    """Corrupt and reconstruct once: z = h(x~), x = g(z). The mean of P(x|x~) is taken, nothing is drawn from it.

    Args:
        model: a pair or a stack that learned to undo this corruption.
        x: (batch, *model.input_shape), scaled units.
        corruption: the one it was trained with.
        generator: on x's device.
        low: the least value that entries take; salt and pepper only.
        high: the greatest.

    Source: Bengio et al. 2013, "Generalized denoising auto-encoders as generative models", section 3.
    """
    z = model.encode(corrupt(x, corruption, generator, low=low, high=high).x)
    return Step(model.decode(z), z)


def jacobian_step(model: Autoencoder, x: Float[Tensor, "batch ..."], noise: Float[Tensor, "batch ..."]) -> Step:
    """Move along the manifold once: z = h(x) + J Jᵀ ε, x = g(z), with J = dh/dx at x.

    One vector-Jacobian and one Jacobian-vector product: J is never built. J Jᵀ ε lies in the directions in which the
    code follows the data, the more the stronger it follows.

    Args:
        model: a pair or a stack.
        x: (batch, *model.input_shape), scaled units.
        noise: ε, (batch, *model.code_shape), Gaussian of deviation σ.

    Source: Rifai et al. 2012, "A generative process for sampling contractive auto-encoders", algorithm 1.
    """
    encoder = linearise_encoder(model, x)
    z = encoder.value + encoder.push(encoder.pull(noise))
    return Step(model.decode(z), z)


class Walk(nn.Module):
    """The Jacobian walk's step in the data's own units: what is exported beside encoder and decoder."""

    def __init__(self, preprocessing: Preprocessing, stack: Stack) -> None:
        super().__init__()
        self.preprocessing = preprocessing
        self.stack = stack

    def forward(
        self, x: Float[Tensor, "batch ..."], noise: Float[Tensor, "batch code"]
    ) -> tuple[Float[Tensor, "batch ..."], Float[Tensor, "batch code"]]:
        """The next row, (batch, *shape) like x, and the code z, (batch, code_size), that it was decoded from."""
        step = jacobian_step(self.stack, self.preprocessing(x), noise)
        return self.preprocessing.inverse(step.x), step.z
