"""Greedy pre-training and fine-tuning on a prepared dataset: what each Prefect task of training does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from flows.steps.datasets import Dataset, Split
from flows.steps.errors import LabelsMissingError
from flows.steps.phases import Phases, phase_of, read_phases, write_phases
from flows.steps.training_state import (
    checkpoint_of,
    finished,
    load_weights,
    save_weights,
    state_key,
    training_device,
    training_key,
)
from models.classifier import Classifier, build_classifier
from models.fine_tuning import fine_tune, fine_tune_classifier
from models.objectives import fine_tuning_objective, layer_objective
from models.preprocessing import Preprocessing, build_preprocessing, scale_rows
from models.pretraining import encode_rows, pretrain_layer
from models.recipe import Recipe, layer_recipe
from models.stack import Stack, build_stack
from models.training import EpochReport, Examples, Trained

_SPLITS: tuple[Split, ...] = ("train", "validation")

OnEpoch = Callable[[EpochReport], None]


def preprocessing_of(dataset: Dataset, recipe: Recipe) -> Preprocessing:
    """The scaling and layout that a recipe asks for, from the training rows' statistics."""
    record = dataset.record
    image = record.kind == "image"
    low, high = record.value_range
    return build_preprocessing(
        recipe,
        record.shape,
        # An image's range is its format's, not what happened to be seen.
        minimum=[low] if image else record.statistics.minimum,
        maximum=[high] if image else record.statistics.maximum,
        mean=record.statistics.mean,
        standard_deviation=record.statistics.standard_deviation,
    )


def scale_dataset(dataset: Dataset, recipe: Recipe, home: Path) -> Path:
    """Scaled training and validation rows in the first layer's layout, float32, on disk: a folder."""
    preprocessing = preprocessing_of(dataset, recipe)
    shape = preprocessing.scaled_shape
    made_from = {"data": dataset.record.fingerprint, "scaling": recipe.scaling, "shape": shape}

    def make(folder: Path) -> None:
        for split in _SPLITS:
            rows = dataset.rows(split)
            scale_rows(preprocessing, rows, _create(folder / f"{split}.npy", (len(rows), *shape)))

    return finished(home, state_key("rows", made_from), make)[0]


def pretrain_step(
    dataset: Dataset, recipe: Recipe, index: int, below: Path, home: Path, on_epoch: OnEpoch | None = None
) -> tuple[Path, bool]:
    """Train layer `index` on the clean codes below it, and keep its weights and its own clean codes.

    Args:
        dataset: for the shape of a row.
        recipe: what to train.
        index: of the layer, from 0.
        below: the folder of the layer below, or of the scaled rows.
        home: `MANIFOLD_HOME`.
        on_epoch: is called after each epoch.

    Returns:
        The layer's folder, and whether it had been finished before.

    Raises:
        TrainingDivergedError: the loss became infinite or NaN; the last checkpoint is kept.
    """
    key = training_key(f"layer{index + 1}", {"below": below.name, "layer": layer_recipe(recipe, index)})

    def make(folder: Path) -> None:
        pair = build_stack(recipe, dataset.record.shape).pairs[index]
        inputs = {split: _read(below / f"{split}.npy") for split in _SPLITS}
        trained = pretrain_layer(
            pair,
            inputs["train"],
            inputs["validation"],
            objective=layer_objective(recipe, index),
            settings=recipe.pretraining,
            seed=recipe.seed,
            layer_index=index,
            device=training_device(),
            on_epoch=on_epoch,
            checkpoints=checkpoint_of(home, key),
        )
        _save(trained, phase_of(f"layer_{index + 1}", trained), folder)
        for split, rows in inputs.items():
            codes = _create(folder / f"{split}.npy", (len(rows), *pair.code_shape))
            encode_rows(pair, rows, codes, training_device())

    return finished(home, key, make)


def fine_tune_step(
    dataset: Dataset,
    recipe: Recipe,
    rows: Path,
    layers: list[Path],
    home: Path,
    on_epoch: OnEpoch | None = None,
) -> tuple[Path, bool]:
    """Unroll the pre-trained layers, fine-tune them on reconstruction, and keep the stack's weights.

    Args:
        dataset: for the shape of a row.
        recipe: what to train.
        rows: the folder of the scaled rows.
        layers: the folders of the pre-trained layers, from the data up.
        home: `MANIFOLD_HOME`.
        on_epoch: is called after each epoch.

    Returns:
        The stack's folder, and whether it had been finished before.

    Raises:
        TrainingDivergedError: the loss became infinite or NaN; the last checkpoint is kept.
    """
    described = recipe.model_dump(
        mode="json", exclude={"name", "pretraining", "supervised_fine_tuning", "gate", "export"}
    )
    key = training_key("stack", {"layers": [layer.name for layer in layers], "recipe": described})

    def make(folder: Path) -> None:
        stack = build_stack(recipe, dataset.record.shape)
        _load_layers(stack, layers)
        trained = fine_tune(
            stack,
            _read(rows / "train.npy"),
            _read(rows / "validation.npy"),
            objective=fine_tuning_objective(recipe),
            settings=recipe.fine_tuning,
            seed=recipe.seed,
            device=training_device(),
            on_epoch=on_epoch,
            checkpoints=checkpoint_of(home, key),
        )
        _save(trained, read_phases(*layers) | phase_of("fine_tuning", trained), folder)

    return finished(home, key, make)


def classify_step(
    dataset: Dataset,
    recipe: Recipe,
    rows: Path,
    layers: list[Path],
    home: Path,
    on_epoch: OnEpoch | None = None,
) -> tuple[Path, bool]:
    """Put a softmax on the pre-trained encoder, fine-tune both on the labels, and keep the classifier's weights.

    Args:
        dataset: with labels.
        recipe: what to train.
        rows: the folder of the scaled rows.
        layers: the folders of the pre-trained layers, from the data up; none: from initial weights.
        home: `MANIFOLD_HOME`.
        on_epoch: is called after each epoch.

    Returns:
        The classifier's folder, and whether it had been finished before.

    Raises:
        LabelsMissingError: the dataset has no labels, or only one.
        TrainingDivergedError: the loss became infinite or NaN; the last checkpoint is kept.
    """
    described = recipe.model_dump(mode="json", exclude={"name", "pretraining", "fine_tuning", "gate", "export"})
    made_from = {
        "layers": [layer.name for layer in layers],
        "rows": rows.name,
        "labels": dataset.record.label_names,
        "recipe": described,
    }
    key = training_key("classifier", made_from)

    def make(folder: Path) -> None:
        classifier = _initial_classifier(dataset, recipe)
        if layers:
            _load_layers(classifier.stack, layers)
        learned, watched = (_labelled(dataset, rows, split) for split in _SPLITS)
        trained = fine_tune_classifier(
            classifier,
            learned,
            watched,
            settings=recipe.supervised_fine_tuning,
            seed=recipe.seed,
            device=training_device(),
            on_epoch=on_epoch,
            checkpoints=checkpoint_of(home, key),
        )
        _save(trained, phase_of("supervised_fine_tuning", trained), folder)

    return finished(home, key, make)


def load_classifier(dataset: Dataset, recipe: Recipe, folder: Path) -> Classifier:
    """The trained classifier, on the CPU.

    Raises:
        LabelsMissingError: the dataset has no labels.
        TrainingStateError: its weights are missing or damaged.
    """
    classifier = _initial_classifier(dataset, recipe)
    classifier.load_state_dict(load_weights(folder))
    return classifier.eval()


def _initial_classifier(dataset: Dataset, recipe: Recipe) -> Classifier:
    names = dataset.record.label_names or ()
    if len(names) < 2:
        raise LabelsMissingError(
            f"supervised_fine_tuning.epochs: {recipe.supervised_fine_tuning.epochs} came, and {dataset.record.source} "
            f"has {len(names)} labels; expected a source with at least 2, or 0 epochs"
        )
    return build_classifier(recipe, dataset.record.shape, len(names))


def _labelled(dataset: Dataset, rows: Path, split: Split) -> Examples:
    labels = dataset.labels(split)
    assert labels is not None  # noqa: S101 - `_initial_classifier` saw to it
    return Examples(_read(rows / f"{split}.npy"), labels)


def load_stack(dataset: Dataset, recipe: Recipe, folder: Path) -> Stack:
    """The trained stack, on the CPU.

    Raises:
        TrainingStateError: its weights are missing or damaged.
    """
    stack = build_stack(recipe, dataset.record.shape)
    stack.load_state_dict(load_weights(folder))
    return stack.eval()


def _load_layers(stack: Stack, layers: list[Path]) -> None:
    for pair, layer in zip(stack.pairs, layers, strict=True):
        pair.load_state_dict(load_weights(layer))


def _save(trained: Trained, phases: Phases, folder: Path) -> None:
    save_weights(trained.state, folder)
    write_phases(phases, folder)
    (folder / "reports.json").write_text(json.dumps([asdict(report) for report in trained.reports], indent=2))


def _create(path: Path, shape: tuple[int, ...]) -> np.memmap:
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)


def _read(path: Path) -> np.ndarray:
    # Copy-on-write: torch wants memory that could be written to, the file stays as it is.
    rows: np.ndarray = np.load(path, mmap_mode="c")
    return rows
