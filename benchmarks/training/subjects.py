"""What is trained: MNIST, a recipe, and one epoch of it by our own training code."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

from models.fine_tuning import fine_tune
from models.objectives import Objective, fine_tuning_objective, layer_objective
from models.pretraining import pretrain_layer
from models.recipe import Recipe
from models.recipe_parts import Precision
from models.stack import Stack, build_stack

THREADS = 2
ROWS = 12_800
# As few as our code accepts, so that the epoch is what is timed; peers measure no validation loss at all.
_VALIDATION_ROWS = 1

Images = Float32[np.ndarray, "rows 784"]
Seconds = Callable[[], float]

# The recipes that come with Manifold, on vectors: one layer of 1,000 sigmoids, tied, cross-entropy, Adam.
_SINGLE: dict[str, Any] = {
    "layers": [1000],
    "activation": "sigmoid",
    "code_activation": "sigmoid",
    "output_activation": "sigmoid",
    "tied_weights": True,
    "loss": "binary_cross_entropy",
}
_MASKING = {"kind": "masking", "level": 0.25}
SYSTEMS: dict[str, dict[str, Any]] = {
    "ae": {},
    "sae": {},
    "dae": {"corruption": _MASKING},
    "cae": {"contraction": {"kind": "analytic", "weight": 0.1}},
    "scae": {"contraction": {"kind": "stochastic", "weight": 1.0, "corruption": _MASKING}},
}


def devices() -> list[torch.device]:
    """The CPU, and a GPU where there is one."""
    return [torch.device("cpu"), *([torch.device("cuda")] if torch.cuda.is_available() else [])]


def named(name: str, device: torch.device) -> str:
    """The row's name on this device."""
    return name if device.type == "cpu" else f"{name}_{device.type}"


def mnist(rows: int) -> Images:
    """The first images of MNIST's training split, from 0 to 1, one vector each."""
    folder = Path(os.environ.get("MANIFOLD_DATA") or "data") / "MNIST" / "raw"
    with (folder / "train-images-idx3-ubyte").open("rb") as file:
        _, found, height, width = struct.unpack(">4i", file.read(16))
        assert found >= rows, f"{rows} rows asked, {found} there"
        pixels = np.frombuffer(file.read(rows * height * width), dtype=np.uint8)
    images: Images = pixels.reshape(rows, height * width).astype(np.float32) / 255
    return images


def recipe(name: str = "ae", **fields: Any) -> Recipe:
    """The recipe of a system: one dense layer of 1,000, with fields put over it."""
    return Recipe.model_validate({"name": name, "kind": name, **_SINGLE, **SYSTEMS[name], **fields})


def layer_epoch(
    name: str, rows: Images, batch_size: int, device: torch.device, precision: Precision = "auto", **fields: Any
) -> Seconds:
    """One epoch of greedy training of a system's only layer, with fields put over its recipe."""
    pretraining = {"epochs": 1, "batch_size": batch_size, "precision": precision}
    subject = recipe(name, pretraining=pretraining, **fields)
    (pair,) = build_stack(subject, rows.shape[1:]).pairs

    def epoch() -> float:
        started = time.perf_counter()
        pretrain_layer(
            pair,
            rows,
            rows[:_VALIDATION_ROWS],
            objective=layer_objective(subject, 0),
            settings=subject.pretraining,
            seed=0,
            layer_index=0,
            device=device,
        )
        _finish(device)
        return time.perf_counter() - started

    return epoch


def stack_epoch(subject: Recipe, rows: Images, device: torch.device, *, shape: tuple[int, ...]) -> Seconds:
    """One epoch of training all layers at once, with the recipe's contraction where `fine_tuning` says so."""
    stack: Stack = build_stack(subject, shape)
    objective: Objective = fine_tuning_objective(subject)
    scaled = rows.reshape(-1, *stack.input_shape)

    def epoch() -> float:
        started = time.perf_counter()
        fine_tune(
            stack,
            scaled,
            scaled[:_VALIDATION_ROWS],
            objective=objective,
            settings=subject.fine_tuning,
            seed=0,
            device=device,
        )
        _finish(device)
        return time.perf_counter() - started

    return epoch


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
