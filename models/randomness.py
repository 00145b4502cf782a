"""Every random number of this room comes from a generator made here, by seed and purpose.

Each purpose has its own stream. So runs that differ only in corruption or penalty start from the same weights
and see the same order of rows (Vincent et al. 2008, figure 3 compares filters that way), and a DAE without
corruption is the AE bit for bit.
"""

from __future__ import annotations

import hashlib
import math
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int16
from torch import Tensor

Purpose = Literal["weights", "order", "noise", "validation noise", "probes"]


def make_generator(
    seed: int, purpose: Purpose, stage: int | str, device: torch.device | str = "cpu"
) -> torch.Generator:
    """A generator that depends on nothing but its arguments.

    Args:
        seed: the recipe's.
        purpose: what the numbers are for.
        stage: the index of a layer, or the name of a phase.
        device: where the numbers are drawn; streams of different kinds of device differ.
    """
    digest = hashlib.sha256(f"{seed}/{purpose}/{stage}".encode()).digest()
    generator = torch.Generator(device=device)
    generator.manual_seed(int.from_bytes(digest[:8], "big", signed=True))
    return generator


def draw_entries(like: Float[Tensor, "*shape"], share: float, generator: torch.Generator) -> Bool[Tensor, "*shape"]:
    """True for each entry with probability `share`, exactly; of the shape and device of `like`.

    Args:
        like: any tensor.
        share: from 0 to 1.
        generator: on its device.
    """
    if like.device.type != "cpu":
        return torch.empty_like(like, dtype=torch.bool).bernoulli_(share, generator=generator)
    # A CPU is slow at drawing: 16 bits an entry cost a sixth of `bernoulli_`, which takes 64. The threshold itself is
    # drawn between the two whole numbers around 65,536 `share`, so that the probability is that number's, unrounded.
    dither = float(torch.rand((), generator=generator, dtype=torch.float64).item())
    threshold = math.floor(share * 2**16 + dither)
    drawn = _draw_int16(like, generator)
    # 2^16 would be out of the integers' range.
    return drawn < threshold - 2**15 if threshold < 2**16 else torch.ones_like(drawn, dtype=torch.bool)


def draw_signs(like: Float[Tensor, "*shape"], generator: torch.Generator) -> Float[Tensor, "*shape"]:
    """1 or -1 by a fair coin, entry by entry, so that E[u uᵀ] = I; of the shape, type and device of `like`.

    Args:
        like: any tensor.
        generator: on its device.
    """
    # The sign bit, spread over all 16, is 0 or -1; with the last bit set, 1 or -1.
    return (_draw_int16(like, generator) >> 15 | 1).to(like.dtype)


def _draw_int16(like: Tensor, generator: torch.Generator) -> Int16[Tensor, "..."]:
    """Each of the 65,536 values with equal probability; four come from each draw of 64 bits."""
    entries = like.numel()
    drawn = torch.empty(-(-entries // 4), dtype=torch.int64, device=like.device)
    drawn.random_(-(2**63), None, generator=generator)
    return drawn.view(torch.int16)[:entries].view(like.shape)
