"""From clean rows to the code that is learned from, corrupted or contracted on the way: what all objectives share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from models.autoencoder import Autoencoder
from models.batches import Rows, extremes
from models.contraction import encode_with_penalty, penalty_form, stochastic_penalty
from models.corruption import Corrupted, corrupt
from models.recipe_parts import Contraction, Corruption

_CLEAN = Corruption()
_FREE = Contraction()


class Encoded(NamedTuple):
    """The code of one batch, and what it cost.

    code: h(x~), or h(x) where nothing is corrupted.
    penalty: the contraction penalty, mean over the batch, before its weight; None where there is none.
    touched: which entries the corruption chose; None where it chose none.
    """

    code: Float[Tensor, "batch ..."]
    penalty: Float[Tensor, ""] | None
    touched: Bool[Tensor, "batch ..."] | None


@dataclass(frozen=True)
class RegularisedEncoding:
    """Corruption of the input, contraction of the code, or both: the penalty is then taken at the clean row.

    `low` and `high` are the least and the greatest value of the clean inputs, for salt-and-pepper noise.
    """

    corruption: Corruption = _CLEAN
    contraction: Contraction = _FREE
    low: float = 0.0
    high: float = 1.0

    def encode(self, model: Autoencoder, x: Float[Tensor, "batch ..."], generator: torch.Generator) -> Encoded:
        """The code of one batch of clean rows.

        Args:
            model: a pair, or a whole stack.
            x: clean rows, (batch, *model.input_shape).
            generator: for corruption and probes, on x's device.

        Raises:
            ModelError: a form of the analytic penalty was asked for that the model does not have.
        """
        seen = self._corrupted(x, self.corruption, generator)
        match self.contraction.kind:
            case "none":
                return Encoded(model.encode(seen.x), None, seen.touched)
            case "analytic":
                form = penalty_form(model, self.contraction.form)
                code, penalty = encode_with_penalty(model, x, form, generator)
            case "stochastic":
                drawn = self._corrupted(x, self.contraction.corruption, generator).x
                # One product for both.
                code, shifted = model.encode(torch.cat([x, drawn])).chunk(2)
                penalty = stochastic_penalty(code, shifted)
        return Encoded(code if seen.touched is None else model.encode(seen.x), penalty, seen.touched)

    def fitted_to(self, inputs: Rows) -> RegularisedEncoding:
        """The same, with the range of these inputs where salt and pepper need it."""
        if "salt_and_pepper" not in {self.corruption.kind, self.contraction.corruption.kind}:
            return self
        low, high = extremes(inputs)
        return replace(self, low=low, high=high)

    def _corrupted(self, x: Tensor, corruption: Corruption, generator: torch.Generator) -> Corrupted:
        return corrupt(x, corruption, generator, low=self.low, high=self.high)
