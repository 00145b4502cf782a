"""Every random number of this room comes from a generator made here, by seed and purpose.

Each purpose has its own stream. So runs that differ only in corruption or penalty start from the same weights
and see the same order of rows (Vincent et al. 2008, figure 3 compares filters that way), and a DAE without
corruption is the AE bit for bit.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import torch

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
