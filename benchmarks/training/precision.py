"""What products in half the bits gain, and what they cost: the grounds for `precision: auto`."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np
import torch

from benchmarks.harness import Row, interleave, ratio
from benchmarks.training.subjects import ROWS, Images, Seconds, layer_epoch, mnist, named, recipe
from models.objectives import layer_objective
from models.precision import multiplies_bfloat16
from models.pretraining import pretrain_layer
from models.recipe_parts import Loss
from models.stack import build_stack

_ROUNDS = 9
_Products = Literal["bfloat16", "float32"]
_PRECISIONS: tuple[_Products, _Products] = ("bfloat16", "float32")
# Features and width of a layer: one that `auto` leaves in float32, the smallest that it does not, and a usual one.
_SIZES = ((128, 128), (256, 256), (784, 1000))
_EPOCHS = 5
_SEEDS = (0, 1, 2)
_UNSEEN = 2_000


def precision_rows(device: torch.device) -> Iterator[Row]:
    """`bfloat16_epoch_over_float32_*` and `bfloat16_error_over_float32_*`; nothing where it would be emulated."""
    if not multiplies_bfloat16(device.type):
        print(f"this {device.type} does not multiply bfloat16 itself, so no rows over it")
        return
    yield from _epochs(device)
    yield from _errors(device)


def _epochs(device: torch.device) -> Iterator[Row]:
    images = mnist(ROWS)
    # The middle of the images, where pixels differ.
    start = images.shape[1] // 2
    for features, width in _SIZES:
        rows = images if features == images.shape[1] else images[:, start - features // 2 : start + features // 2]
        rows = np.ascontiguousarray(rows)
        sides: dict[str, Seconds] = {
            name: layer_epoch("ae", rows, 128, device, name, layers=[width]) for name in _PRECISIONS
        }
        samples = interleave(sides, rounds=_ROUNDS)
        name = named(f"bfloat16_epoch_over_float32_{features}x{width}", device)
        # The smallest is why there is a least size.
        better: Literal["lower", "higher"] = "higher" if (features, width) == _SIZES[0] else "lower"
        yield ratio(name, samples, *_PRECISIONS, goal=1.0, better=better, seed=0)


def _errors(device: torch.device) -> Iterator[Row]:
    images = mnist(ROWS + _UNSEEN)
    for loss in get_args(Loss):
        errors: dict[str, dict[str, float]] = {
            name: {f"seed {seed}": _error(name, loss, seed, images, device) for seed in _SEEDS} for name in _PRECISIONS
        }
        means = [statistics.fmean(errors[name].values()) for name in _PRECISIONS]
        yield Row(
            named(f"bfloat16_error_over_float32_{loss}", device),
            means[0] / means[1],
            "ratio",
            1.01,
            "lower",
            peer="the squared error of images not learned from, mean of 3 seeds",
            sides=errors,
        )


def _error(precision: _Products, loss: Loss, seed: int, images: Images, device: torch.device) -> float:
    """Of rows not learned from, reconstructed in float32: summed over pixels, mean over images."""
    pretraining = {"epochs": _EPOCHS, "batch_size": 128, "precision": precision}
    subject = recipe("ae", seed=seed, loss=loss, pretraining=pretraining)
    (pair,) = build_stack(subject, images.shape[1:]).pairs
    pretrain_layer(
        pair,
        images[:ROWS],
        images[ROWS:],
        objective=layer_objective(subject, 0),
        settings=subject.pretraining,
        seed=seed,
        layer_index=0,
        device=device,
    )
    with torch.no_grad():
        x = torch.from_numpy(images[ROWS:]).to(device)
        return float((pair(x) - x).square().sum(1).mean().item())
