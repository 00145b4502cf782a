"""Corruption q(x~|x): how a clean input is spoilt before it is encoded."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from models.recipe_parts import Corruption


def corrupt(
    x: Float[Tensor, "batch *shape"],
    corruption: Corruption,
    generator: torch.Generator,
    *,
    low: float = 0.0,
    high: float = 1.0,
) -> Float[Tensor, "batch *shape"]:
    """A draw from q(x~|x); x itself where the kind is none or the level is 0.

    Args:
        x: clean rows, scaled units, or codes of the layer below.
        corruption: `masking`: each entry becomes 0 with probability ν, the others are not rescaled;
            `gaussian`: noise of deviation σ is added; `salt_and_pepper`: each entry becomes `low` or `high`,
                by a fair coin, with
            probability ν.
        generator: on x's device.
        low: the least value that entries take; salt and pepper only.
        high: the greatest.

    Source: Vincent et al. 2010, section 3.3.
    """
    if corruption.level == 0:
        return x
    match corruption.kind:
        case "none":
            return x
        case "masking":
            return x * (_uniform(x, generator) >= corruption.level)
        case "gaussian":
            noise = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
            return x + corruption.level * noise
        case "salt_and_pepper":
            # One number decides both: below ν / 2 pepper, from there to ν salt.
            draw = _uniform(x, generator)
            x = torch.where(draw < corruption.level, high, x)
            return torch.where(draw < corruption.level / 2, low, x)


def _uniform(x: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand(x.shape, generator=generator, device=x.device, dtype=x.dtype)
