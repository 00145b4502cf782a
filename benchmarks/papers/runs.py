"""One training and its figures, kept under a name that says what they were made from."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.papers.protocols import Measure
from flows.steps.datasets import Dataset, Split
from flows.steps.training import (
    classify_step,
    fine_tune_step,
    load_classifier,
    load_stack,
    preprocessing_of,
    pretrain_step,
    scale_dataset,
)
from flows.steps.training_state import training_device
from models.batches import chunks
from models.contraction import pair_jacobian_norm
from models.corruption import corrupt
from models.measures.labels import nearest_neighbour_accuracy
from models.measures.reconstruction import pca_squared_error
from models.precision import multiplies_bfloat16
from models.preprocessing import scale_rows
from models.randomness import make_generator
from models.recipe import Recipe
from models.recipe_parts import Corruption
from models.stack import Stack
from models.training import EpochReport
from service.release.atomic import write_atomically

Say = Callable[[str], None]
Figures = dict[str, float]

# What test images are spoilt by for `dae_over_ae_noisy_error`.
_NOISE = Corruption(kind="masking", level=0.25)


def carry_out(dataset: Dataset, recipe: Recipe, measures: tuple[Measure, ...], home: Path, say: Say) -> Figures:
    """Train what a recipe says, or find it trained, and measure it; or find it measured.

    Args:
        dataset: with labels.
        recipe: what to train.
        measures: what is measured on test rows; without any, test rows are not looked at.
        home: where trainings and figures are kept.
        say: is told of each epoch.

    Returns:
        Errors in %, others in the unit their row of the table states.
    """
    described = [
        dataset.record.fingerprint,
        recipe.model_dump(mode="json", exclude={"name", "gate"}),
        measures,
        torch.__version__,
        multiplies_bfloat16(training_device()),
    ]
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:24]
    kept = home / "figures" / f"{digest}.json"
    if kept.exists():
        figures: Figures = json.loads(kept.read_text())
        return figures
    figures = dict(_train_and_measure(dataset, recipe, measures, home, say))
    write_atomically(kept, json.dumps(figures, indent=2).encode())
    return figures


def _train_and_measure(
    dataset: Dataset, recipe: Recipe, measures: tuple[Measure, ...], home: Path, say: Say
) -> Iterator[tuple[str, float]]:
    def on_epoch(report: EpochReport) -> None:
        error = "" if report.validation_error is None else f", {report.validation_error:.2%} wrong"
        phase = "fine-tuning" if report.layer is None else f"layer {report.layer + 1}"
        say(f"{phase} {report.epoch}/{report.epochs}: validation {report.validation_loss:.4g}{error}")

    rows = scale_dataset(dataset, recipe, home)
    layers: list[Path] = []
    for index in range(len(recipe.layers)):
        below = layers[-1] if layers else rows
        layers.append(pretrain_step(dataset, recipe, index, below, home, on_epoch)[0])
    stack = load_stack(dataset, recipe, fine_tune_step(dataset, recipe, rows, layers, home, on_epoch)[0])
    watched = torch.from_numpy(np.load(rows / "validation.npy"))
    yield "validation_squared_error", squared_error(stack, watched, watched)
    if recipe.supervised_fine_tuning.epochs:
        folder = classify_step(dataset, recipe, rows, layers, home, on_epoch)[0]
        reports = json.loads((folder / "reports.json").read_text())
        best = min((report["validation_error"], report["validation_loss"]) for report in reports)
        yield "validation_error", 100 * best[0]
        if "error" in measures:
            yield "error", _classification_error(dataset, recipe, folder)
    test = _test_rows(dataset, recipe) if measures else None
    if test is None:
        return
    if "jacobian" in measures:
        yield "jacobian", average_jacobian_norm(stack, test)
    if "squared_error" in measures:
        yield "squared_error", squared_error(stack, test, test)
        features = math.prod(dataset.record.shape)
        low, high = dataset.record.value_range
        pca = pca_squared_error(dataset.rows("train"), dataset.rows("test"), stack.code_size)
        yield "squared_error_of_pca", pca / (high - low) ** 2
        yield "squared_error_per_pixel", squared_error(stack, test, test) / features
    if "noisy_squared_error" in measures:
        # One seed for all recipes: each sees the same spoilt images.
        spoilt = corrupt(test, _NOISE, make_generator(0, "noise", "spoilt test images")).x
        yield "noisy_squared_error", squared_error(stack, spoilt, test)
    if "neighbours" in measures:
        yield from _neighbour_errors(dataset, recipe, stack, test)


def squared_error(stack: Stack, seen: Tensor, wanted: Tensor) -> float:
    """Of the reconstruction of `seen` against `wanted`, summed over pixels in [0, 1], mean over images."""
    total = 0.0
    with torch.no_grad():
        for place, _ in chunks(wanted.numpy()):
            total += float((stack(seen[place]) - wanted[place]).double().square().sum())
    return total / len(wanted)


def average_jacobian_norm(stack: Stack, rows: Tensor) -> float:
    """The Frobenius norm (not squared) of the first layer's Jacobian, mean over rows (Rifai et al. 2011, table 1)."""
    (pair, *_) = stack.pairs
    with torch.no_grad():
        return float(pair_jacobian_norm(pair, pair.encoder_preactivation(rows)).double().sqrt().mean())


def _test_rows(dataset: Dataset, recipe: Recipe) -> Tensor:
    return torch.from_numpy(_scaled(dataset, recipe, "test"))


def _scaled(dataset: Dataset, recipe: Recipe, split: Split) -> np.ndarray:
    preprocessing = preprocessing_of(dataset, recipe)
    rows = dataset.rows(split)
    out = np.empty((len(rows), *preprocessing.scaled_shape), np.float32)
    scale_rows(preprocessing, rows, out)
    return out


def _classification_error(dataset: Dataset, recipe: Recipe, folder: Path) -> float:
    classifier = load_classifier(dataset, recipe, folder)
    labels = dataset.labels("test")
    missed = 0
    with torch.no_grad():
        for place, chunk in chunks(_scaled(dataset, recipe, "test")):
            missed += int((classifier(torch.from_numpy(chunk)).argmax(1).numpy() != labels[place]).sum())  # type: ignore[index]
    return 100 * missed / dataset.record.rows["test"]


def _neighbour_errors(dataset: Dataset, recipe: Recipe, stack: Stack, test: Tensor) -> Iterator[tuple[str, float]]:
    train = torch.from_numpy(_scaled(dataset, recipe, "train"))
    known, asked = dataset.labels("train"), dataset.labels("test")
    assert known is not None
    assert asked is not None
    with torch.no_grad():
        codes = {name: stack.encode(rows).numpy() for name, rows in (("train", train), ("test", test))}
    for name, left, right in (("", codes["train"], codes["test"]), ("_of_inputs", train.numpy(), test.numpy())):
        share = nearest_neighbour_accuracy(left, known, right, asked)
        yield f"neighbour_error{name}", 100 * (1 - share)
