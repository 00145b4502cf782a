"""Activations s and their derivatives s', elementwise."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from models.recipe_parts import Activation


def activate(activation: Activation, preactivation: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """s(a), of the same shape."""
    match activation:
        case "linear":
            return preactivation
        case "sigmoid":
            return torch.sigmoid(preactivation)
        case "tanh":
            return torch.tanh(preactivation)
        case "relu":
            return torch.relu(preactivation)


def slope(activation: Activation, preactivation: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """s'(a), of the same shape; 0 at the kink of ReLU, as autograd has it."""
    match activation:
        case "linear":
            return torch.ones_like(preactivation)
        case "sigmoid":
            code = torch.sigmoid(preactivation)
            return code * (1 - code)
        case "tanh":
            return 1 - torch.tanh(preactivation).square()
        case "relu":
            return (preactivation > 0).to(preactivation.dtype)


def slope_at(activation: Activation, code: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """s'(a) from s(a), of the same shape: equal to `slope`, and spares the activation a second time."""
    match activation:
        case "linear":
            return torch.ones_like(code)
        case "sigmoid":
            return code * (1 - code)
        case "tanh":
            return 1 - code.square()
        case "relu":
            return (code > 0).to(code.dtype)
