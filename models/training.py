"""Epochs over rows: what pre-training and both ways of fine-tuning share."""

from __future__ import annotations

import torch
from torch import nn

from models.checkpoints import CheckpointKeeper
from models.determinism import reproducible
from models.errors import ShapeError
from models.learning import EpochReport, Examples, Labels, OnEpoch, Problem, Trained
from models.precision import precision_of_products
from models.recipe_parts import Training
from models.run import Run, epochs_needed

__all__ = ["EpochReport", "Examples", "Labels", "OnEpoch", "Problem", "Trained", "epochs_needed", "train"]


def train(
    model: nn.Module,
    problem: Problem,
    examples: Examples,
    validation: Examples,
    *,
    settings: Training,
    seed: int,
    stage: int | str,
    device: torch.device | str = "cpu",
    on_epoch: OnEpoch | None = None,
    checkpoints: CheckpointKeeper | None = None,
) -> Trained:
    """Train a model in place, deterministically: equal arguments give equal weights, byte for byte, on CPU; so does
    a training that was stopped and goes on from a checkpoint.

    Args:
        model: has `input_shape`; it is left on `device`.
        problem: over this model.
        examples: to learn from.
        validation: to watch; at least one row.
        settings: epochs, batch size, optimiser, patience.
        seed: for the order of rows and the noise.
        stage: index of the pair, or the name of a phase over the whole stack; names the random streams.
        device: where to compute.
        on_epoch: is called after each epoch, not again for those before a checkpoint.
        checkpoints: where to go on from, and where to keep how far it is.

    Raises:
        ShapeError: rows do not have the model's shape, or there are none.
        TrainingDivergedError: the loss became infinite or NaN; the last checkpoint kept is from before.
    """
    device = torch.device(device)
    _check(examples, model, "inputs")
    _check(validation, model, "validation")
    model.to(device)
    precision = precision_of_products(settings.precision, model, device, small_differences=problem.compares_codes)
    with reproducible(device, tf32=precision == "tf32"):
        run = Run(model, problem, settings, seed, stage, device, precision, examples, validation, checkpoints)
        while not run.is_over:
            report = run.report(run.learn())
            if on_epoch is not None:
                on_epoch(report)
        return run.result()


def _check(examples: Examples, model: nn.Module, name: str) -> None:
    rows, labels = examples.rows, examples.labels
    if rows.shape[1:] != model.input_shape or len(rows) == 0:
        raise ShapeError(f"{name}: shape {rows.shape} came; expected at least one row of {model.input_shape}")
    if labels is not None and labels.shape != (len(rows),):
        raise ShapeError(f"{name}: labels of shape {labels.shape} came; expected one for each of {len(rows)} rows")
