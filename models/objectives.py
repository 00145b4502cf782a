"""One batch to named loss terms. AE, DAE, SCAE and CAE are one class and four objectives."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from models.batches import Rows
from models.contraction import PenaltyForm, penalty_form
from models.layers import Autoencoder
from models.losses import emphasised_weight, reconstruction_loss
from models.recipe import Recipe, layer_contraction, layer_corruption, layer_loss
from models.recipe_parts import Contraction, Corruption, Loss
from models.regularised_encoding import RegularisedEncoding

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

    Corruption and contraction may come together: the penalty is then taken at the clean row. `corruption.emphasis`
    weighs entries of the reconstruction (Vincent et al. 2010, section 4.3).
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
            generator: for corruption and probes, on x's device.

        Raises:
            ModelError: a form of the analytic penalty was asked for that the model does not have.
        """
        code, penalty, touched = self._encoding.encode(model, x, generator)
        reconstruction = self._reconstruction(model, x, code, touched)
        if penalty is None:
            return LossTerms(reconstruction, None, reconstruction)
        return LossTerms(reconstruction, penalty, reconstruction + self.contraction.weight * penalty)

    def fitted_to(self, inputs: Rows) -> Objective:
        """The same objective, with the range of these inputs where salt and pepper need it."""
        fitted = self._encoding.fitted_to(inputs)
        return replace(self, low=fitted.low, high=fitted.high)

    @property
    def _encoding(self) -> RegularisedEncoding:
        return RegularisedEncoding(self.corruption, self.contraction, self.low, self.high)

    def _reconstruction(self, model: Autoencoder, x: Tensor, code: Tensor, touched: Tensor | None) -> Tensor:
        emphasis = self.corruption.emphasis
        weight = None if emphasis is None else emphasised_weight(emphasis, touched, x)
        return reconstruction_loss(self.loss, model.output_activation, x, model.decoder_preactivation(code), weight)


@dataclass(frozen=True)
class Reconstruction:
    """What pre-training and unrolled fine-tuning minimise and watch: an objective over an autoencoder."""

    model: Autoencoder
    objective: Objective

    @property
    def compares_codes(self) -> bool:
        """With the stochastic contraction penalty."""
        return self.objective.contraction.kind == "stochastic"

    @property
    def penalty(self) -> PenaltyForm | None:
        """With the analytic contraction penalty."""
        contraction = self.objective.contraction
        return penalty_form(self.model, contraction.form) if contraction.kind == "analytic" else None

    def loss(self, x: Tensor, _labels: Tensor | None, generator: torch.Generator) -> Tensor:
        """The objective's total."""
        return self.objective.terms(self.model, x, generator).total

    def figures(self, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> tuple[Tensor, ...]:
        """The same, and nothing else."""
        return (self.loss(x, labels, generator),)


def layer_objective(recipe: Recipe, index: int) -> Objective:
    """The objective of layer `index` in greedy pre-training: its own corruption and contraction, else the
    recipe's."""
    return Objective(layer_loss(recipe, index), layer_corruption(recipe, index), layer_contraction(recipe, index))


def fine_tuning_objective(recipe: Recipe) -> Objective:
    """The objective of the unrolled stack: reconstruction, of a corrupted input and with the whole encoder
    contracted where `fine_tuning` says so."""
    return Objective(
        recipe.loss,
        recipe.corruption if recipe.fine_tuning.corrupt else _CLEAN,
        recipe.contraction if recipe.fine_tuning.contract else _FREE,
    )
