"""Initial weights, from an explicit generator."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from models.recipe_parts import Activation

# Glorot & Bengio 2010 for tanh and linear units, four times that for the sigmoid, whose slope at 0 is a
# quarter; He et al. 2015 for ReLU.
_GAIN: dict[Activation, float] = {"linear": 1.0, "tanh": 1.0, "sigmoid": 4.0, "relu": math.sqrt(2.0)}


def initial_weight(
    shape: tuple[int, ...], *, fan_in: int, fan_out: int, activation: Activation, generator: torch.Generator
) -> Tensor:
    """A weight of `shape`, float32, uniform within ± gain · sqrt(6 / (fan_in + fan_out)); ReLU: by fan_in
    alone.

    Args:
        shape: of the weight.
        fan_in: inputs that reach one unit.
        fan_out: units that one input reaches.
        activation: what follows the weight.
        generator: where the numbers come from; it is advanced by one number a weight.
    """
    fans = 2 * fan_in if activation == "relu" else fan_in + fan_out
    bound = _GAIN[activation] * math.sqrt(6.0 / fans)
    return (torch.rand(shape, generator=generator) * 2 - 1) * bound
