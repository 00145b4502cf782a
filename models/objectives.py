"""One batch to named loss terms. AE, DAE, SCAE and CAE are one class and four objectives."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from models.activations import activate
from models.contraction import pair_jacobian_norm, stochastic_penalty
from models.corruption import corrupt
from models.errors import ModelError
from models.layers import Autoencoder, ConvolutionPair, DensePair
from models.losses import reconstruction_loss
from models.recipe import Recipe, layer_loss
from models.recipe_parts import Contraction, Corruption, Loss

_CLEAN = Corruption()
_FREE = Contraction()


@dataclass(frozen=True)
class LossTerms:
    """The terms of one batch, each a mean over the batch.

    reconstruction: L(x, g(h(x))) or L(x, g(h(x~))), summed over features.
    contraction_penalty: the squared norm of J or of h(x) - h(x~), before its weight; None where the objective
    has none. total: what is minimised, reconstruction + λ · contraction_penalty.
    """

    reconstruction: Float[Tensor, ""]
    contraction_penalty: Float[Tensor, ""] | None
    total: Float[Tensor, ""]


@dataclass(frozen=True)
class Objective:
    """What is minimised.

    | system   | corruption | contraction |                                                             |
    |----------|------------|-------------|-------------------------------------------------------------|
    | AE, SAE  | none       | none        | L(x, g(h(x)))                                               |
    | DAE, SDAE| any        | none        | L(x, g(h(x~))): the target stays clean                      |
    | SCAE     | none       | stochastic  | L(x, g(h(x))) + λ E of the squared norm of h(x) - h(x~)     |
    | CAE      | none       | analytic    | L(x, g(h(x))) + λ times the squared Frobenius norm of dh/dx |

    `low` and `high` are the least and the greatest value of the clean inputs, for salt-and-pepper noise.
    """

    loss: Loss
    corruption: Corruption = _CLEAN
    contraction: Contraction = _FREE
    low: float = 0.0
    high: float = 1.0

    def terms(self, model: Autoencoder, x: Float[Tensor, "batch ..."], generator: torch.Generator) -> LossTerms:
        """The loss terms of one batch.

        Args:
            model: a pair, or a whole stack.
            x: clean rows, (batch, *model.input_shape), scaled units or codes of the layer below.
            generator: for corruption, on x's device.

        Raises:
            ModelError: the analytic penalty of something that is no single layer.
        """
        preactivation = model.encoder_preactivation(self._corrupted(x, self.corruption, generator))
        code = activate(model.code_activation, preactivation)
        reconstruction = reconstruction_loss(self.loss, model.output_activation, x, model.decoder_preactivation(code))
        match self.contraction.kind:
            case "none":
                return LossTerms(reconstruction, None, reconstruction)
            case "analytic":
                if not isinstance(model, DensePair | ConvolutionPair):
                    raise ModelError("the analytic penalty of a stack came; expected a single layer")
                penalty = pair_jacobian_norm(model, preactivation).mean()
            case "stochastic":
                seen = self._corrupted(x, self.contraction.corruption, generator)
                penalty = stochastic_penalty(code, model.encode(seen))
        return LossTerms(reconstruction, penalty, reconstruction + self.contraction.weight * penalty)

    @property
    def needs_input_range(self) -> bool:
        """Whether `low` and `high` matter."""
        return "salt_and_pepper" in {self.corruption.kind, self.contraction.corruption.kind}

    def _corrupted(self, x: Tensor, corruption: Corruption, generator: torch.Generator) -> Tensor:
        return corrupt(x, corruption, generator, low=self.low, high=self.high)


def layer_objective(recipe: Recipe, index: int) -> Objective:
    """The objective of layer `index` in greedy pre-training: the recipe's corruption and contraction, at
    every layer."""
    return Objective(layer_loss(recipe, index), recipe.corruption, recipe.contraction)


def fine_tuning_objective(recipe: Recipe) -> Objective:
    """The objective of the unrolled stack: reconstruction, of a corrupted input where `fine_tuning.corrupt`
    says so."""
    return Objective(recipe.loss, recipe.corruption if recipe.fine_tuning.corrupt else _CLEAN)
