"""Corruption q(x~|x): how a clean input is spoilt before it is encoded."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from models.randomness import draw_entries
from models.recipe_parts import Corruption


class Corrupted(NamedTuple):
    """A draw from q(x~|x).

    x: the corrupted rows, of the clean ones' shape.
    touched: which entries the corruption chose, changed or not (the set J(x~) of Vincent et al. 2010,
    section 4.3); None where it chose none.
    """

    x: Float[Tensor, "batch *shape"]
    touched: Bool[Tensor, "batch *shape"] | None


def corrupt(
    x: Float[Tensor, "batch *shape"],
    corruption: Corruption,
    generator: torch.Generator,
    *,
    low: float = 0.0,
    high: float = 1.0,
) -> Corrupted:
    """A draw from q(x~|x); x itself where the kind is none or the level is 0.

    Args:
        x: clean rows, scaled units, or codes of the layer below.
        corruption: `masking`: each entry becomes 0 with probability ν, the others are not rescaled;
            `gaussian`: noise of deviation σ is added to a share of the entries; `salt_and_pepper`: each
            entry becomes `low` or `high`, by a fair coin, with probability ν.
        generator: on x's device.
        low: the least value that entries take; salt and pepper only.
        high: the greatest.

    Source: Vincent et al. 2010, section 3.3.
    """
    if corruption.level == 0:
        return Corrupted(x, None)
    match corruption.kind:
        case "none":
            return Corrupted(x, None)
        case "masking":
            touched = draw_entries(x, corruption.level, generator)
            return Corrupted(x * ~touched, touched)
        case "gaussian":
            noise = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
            if corruption.share == 1:
                touched = torch.ones_like(x, dtype=torch.bool)
            else:
                touched = draw_entries(x, corruption.share, generator)
                noise = noise * touched
            return Corrupted(torch.add(x, noise, alpha=corruption.level), touched)
        case "salt_and_pepper":
            touched = draw_entries(x, corruption.level, generator)
            return Corrupted(torch.where(touched, _coins(x, low, high, generator), x), touched)


def _coins(x: Tensor, low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.where(draw_entries(x, 0.5, generator), high, low).to(x.dtype)
