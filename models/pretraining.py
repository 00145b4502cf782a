"""Greedy pre-training: layer by layer, each on the clean codes of the one below (Bengio et al. 2007)."""

from __future__ import annotations

import torch

from models.batches import Rows, map_rows
from models.checkpoints import CheckpointKeeper
from models.determinism import exact_products
from models.errors import ShapeError
from models.layers import Pair
from models.objectives import Objective, Reconstruction
from models.recipe_parts import Training
from models.training import Examples, OnEpoch, Trained, train


def pretrain_layer(
    pair: Pair,
    inputs: Rows,
    validation: Rows,
    *,
    objective: Objective,
    settings: Training,
    seed: int,
    layer_index: int,
    device: torch.device | str = "cpu",
    on_epoch: OnEpoch | None = None,
    checkpoints: CheckpointKeeper | None = None,
) -> Trained:
    """Train one pair in place; its state and a report for each epoch.

    Args:
        pair: as `build_stack` made it.
        inputs: float32 (n, *pair.input_shape): scaled rows for layer 0, clean codes of the layer below for
            others.
        validation: likewise.
        objective: `layer_objective(recipe, layer_index)`.
        settings: `recipe.pretraining`.
        seed: `recipe.seed`.
        layer_index: from 0; each layer has its own order of rows and noise.
        device: where to compute; the pair is left there.
        on_epoch: is called after each epoch.
        checkpoints: where to go on from, and where to keep how far it is.

    Raises:
        ShapeError: rows do not have the pair's shape, or there are none.
        TrainingDivergedError: the loss became infinite or NaN.
    """
    return train(
        pair,
        Reconstruction(pair, objective.fitted_to(inputs)),
        Examples(inputs),
        Examples(validation),
        settings=settings,
        seed=seed,
        stage=layer_index,
        device=device,
        on_epoch=on_epoch,
        checkpoints=checkpoints,
    )


def encode_rows(
    pair: Pair,
    inputs: Rows,
    out: Rows,
    device: torch.device | str = "cpu",
) -> None:
    """Write the clean codes of all rows: what the next layer learns from.

    Args:
        pair: trained.
        inputs: float32 (n, *pair.input_shape); may be memory-mapped.
        out: float32 (n, *pair.code_shape), filled; may be memory-mapped.
        device: where to compute; the pair is left there.

    Raises:
        ShapeError: the shapes of inputs, pair and out do not fit.
    """
    if inputs.shape[1:] != pair.input_shape or out.shape != (len(inputs), *pair.code_shape):
        raise ShapeError(
            f"inputs {inputs.shape} and out {out.shape} came; expected (n, *{pair.input_shape}) and "
            f"(n, *{pair.code_shape})"
        )
    pair.to(device)
    with exact_products():
        map_rows(pair.encode, inputs, out, device)
