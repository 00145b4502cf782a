"""Training as Prefect tasks: one a layer, then fine-tuning. The work is in `flows.steps.training`."""

from __future__ import annotations

from pathlib import Path

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from flows.progress import Report, step_progress
from flows.steps.datasets import Dataset
from flows.steps.training import classify_step, fine_tune_step, pretrain_step, scale_dataset
from models.learning import EpochReport, OnEpoch
from models.recipe import Recipe

_REUSED = "finished before, used as it is"


@task(cache_policy=NO_CACHE)
def scale_rows(dataset: Dataset, recipe: Recipe, home: Path) -> Path:
    """Scaled training and validation rows: what the first layer learns from."""
    return scale_dataset(dataset, recipe, home)


@task(task_run_name="pretrain-layer-{number}", cache_policy=NO_CACHE)
def pretrain_layer(dataset: Dataset, recipe: Recipe, number: int, below: Path, home: Path) -> Path:
    """Greedy pre-training of layer `number`, counted from 1."""
    with step_progress(f"layer {number} of {len(recipe.layers)}") as report:
        folder, reused = pretrain_step(dataset, recipe, number - 1, below, home, _epochs(report))
        _say_reused(reused, report)
    return folder


@task(cache_policy=NO_CACHE)
def fine_tune_stack(dataset: Dataset, recipe: Recipe, rows: Path, layers: list[Path], home: Path) -> Path:
    """Fine-tuning of the unrolled stack on reconstruction."""
    with step_progress("fine-tuning") as report:
        folder, reused = fine_tune_step(dataset, recipe, rows, layers, home, _epochs(report))
        _say_reused(reused, report)
    return folder


@task(cache_policy=NO_CACHE)
def fine_tune_classifier(dataset: Dataset, recipe: Recipe, rows: Path, layers: list[Path], home: Path) -> Path:
    """Supervised fine-tuning of the pre-trained encoder with a softmax on top."""
    with step_progress("supervised fine-tuning") as report:
        folder, reused = classify_step(dataset, recipe, rows, layers, home, _epochs(report))
        _say_reused(reused, report)
    return folder


def _epochs(report: Report) -> OnEpoch:
    logger = get_run_logger()

    def on_epoch(epoch: EpochReport) -> None:
        note = f"loss {epoch.loss:.4g}, validation {epoch.validation_loss:.4g}"
        if epoch.validation_error is not None:
            note += f", {epoch.validation_error:.2%} wrong"
        logger.info("epoch %d of %d: %s", epoch.epoch, epoch.epochs, note)
        report(epoch.epoch, epoch.epochs, note)

    return on_epoch


def _say_reused(reused: bool, report: Report) -> None:
    if reused:
        get_run_logger().info(_REUSED)
        report(1, 1, _REUSED)
