"""What products in half the bits gain, and what they cost: the grounds for `precision: auto`."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import torch

from benchmarks.harness import Row, interleave, ratio
from benchmarks.training.subjects import ROWS, Images, Seconds, layer_epoch, mnist, named, recipe
from models.objectives import layer_objective
from models.precision import Products, multiplies_bfloat16
from models.pretraining import pretrain_layer
from models.stack import build_stack

_ROUNDS = 9
_EPOCHS = 5
_SEEDS = (0, 1, 2)
_UNSEEN = 2_000


def precision_rows(device: torch.device) -> Iterator[Row]:
    """`bfloat16_epoch_over_float32` and `bfloat16_error_over_float32`; nothing where it would be emulated."""
    if not multiplies_bfloat16(device.type):
        print(f"this {device.type} does not multiply bfloat16 itself, so no rows over it")
        return
    rows = mnist(ROWS + _UNSEEN)
    names: tuple[Products, ...] = ("bfloat16", "float32")
    sides: dict[str, Seconds] = {name: layer_epoch("ae", rows[:ROWS], 128, device, name) for name in names}
    samples = interleave(sides, rounds=_ROUNDS)
    yield ratio(named("bfloat16_epoch_over_float32", device), samples, *names, goal=1.0, better="lower", seed=0)
    errors = {name: [_error(name, seed, rows, device) for seed in _SEEDS] for name in names}
    yield Row(
        named("bfloat16_error_over_float32", device),
        statistics.fmean(errors["bfloat16"]) / statistics.fmean(errors["float32"]),
        "ratio",
        1.01,
        "lower",
        peer="the squared error of images not learned from, mean of 3 seeds",
        sides={
            name: {f"seed {seed}": one for seed, one in zip(_SEEDS, found, strict=True)}
            for name, found in errors.items()
        },
    )


def _error(precision: Products, seed: int, rows: Images, device: torch.device) -> float:
    """Of rows not learned from, reconstructed in float32: summed over pixels, mean over images."""
    subject = recipe("ae", seed=seed, pretraining={"epochs": _EPOCHS, "batch_size": 128, "precision": precision})
    (pair,) = build_stack(subject, rows.shape[1:]).pairs
    pretrain_layer(
        pair,
        rows[:ROWS],
        rows[ROWS:],
        objective=layer_objective(subject, 0),
        settings=subject.pretraining,
        seed=seed,
        layer_index=0,
        device=device,
    )
    with torch.no_grad():
        x = torch.from_numpy(rows[ROWS:]).to(device)
        return float((pair(x) - x).square().sum(1).mean().item())
