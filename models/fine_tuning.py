"""Fine-tuning: the whole stack at once, on the unrolled reconstruction (Hinton & Salakhutdinov 2006)."""

from __future__ import annotations

import torch

from models.batches import Rows
from models.objectives import Objective
from models.recipe_parts import Training
from models.stack import Stack
from models.training import OnEpoch, Trained, train


def fine_tune(
    stack: Stack,
    inputs: Rows,
    validation: Rows,
    *,
    objective: Objective,
    settings: Training,
    seed: int,
    device: torch.device | str = "cpu",
    on_epoch: OnEpoch | None = None,
) -> Trained:
    """Train all layers in place; the stack's state and a report for each epoch.

    Args:
        stack: with pre-trained pairs.
        inputs: scaled rows, float32 (n, *stack.input_shape); may be memory-mapped.
        validation: likewise.
        objective: `fine_tuning_objective(recipe)`.
        settings: `recipe.fine_tuning`; with 0 epochs the stack stays as it is.
        seed: `recipe.seed`.
        device: where to compute; the stack is left there.
        on_epoch: is called after each epoch, with `layer=None`.

    Raises:
        ShapeError: rows do not have the stack's shape, or there are none.
        TrainingDivergedError: the loss became infinite or NaN.
    """
    return train(
        stack,
        inputs,
        validation,
        objective=objective,
        settings=settings,
        seed=seed,
        layer=None,
        device=device,
        on_epoch=on_epoch,
    )
