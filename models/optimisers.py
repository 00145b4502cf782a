"""Optimisers and learning-rate schedules."""

from __future__ import annotations

import math

import torch
from torch import nn

from models.recipe_parts import Optimiser


def build_optimiser(model: nn.Module, settings: Optimiser) -> torch.optim.Optimizer:
    """The optimiser of all parameters that can be trained; weight decay spares biases."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    weights, biases = ([p for p in parameters if (p.ndim > 1) is wanted] for wanted in (True, False))
    # Without decay one group is enough, and one group is one call.
    groups = [{"params": weights, "weight_decay": settings.weight_decay}, {"params": biases, "weight_decay": 0.0}]
    if settings.weight_decay == 0:
        groups = [{"params": [*weights, *biases], "weight_decay": 0.0}]
    if settings.name == "adam":
        # AdamW without decay is Adam.
        return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
    return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=settings.momentum, fused=True)


def learning_rate(settings: Optimiser, step: int, steps: int) -> float:
    """The learning rate of step `step` of `steps`, from 0."""
    if settings.schedule == "constant":
        return settings.learning_rate
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * step / steps))
