"""Training as Prefect tasks: one a layer, then fine-tuning. The work is in `flows.steps.training`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
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
    step = partial(pretrain_step, dataset, recipe, number - 1, below, home)
    return _with_progress(f"layer {number} of {len(recipe.layers)}", step)


@task(cache_policy=NO_CACHE)
def fine_tune_stack(dataset: Dataset, recipe: Recipe, rows: Path, layers: list[Path], home: Path) -> Path:
    """Fine-tuning of the unrolled stack on reconstruction."""
    return _with_progress("fine-tuning", partial(fine_tune_step, dataset, recipe, rows, layers, home))


@task(cache_policy=NO_CACHE)
def fine_tune_classifier(dataset: Dataset, recipe: Recipe, rows: Path, layers: list[Path], home: Path) -> Path:
    """Supervised fine-tuning of the pre-trained encoder with a softmax on top."""
    return _with_progress("supervised fine-tuning", partial(classify_step, dataset, recipe, rows, layers, home))


def _with_progress(name: str, step: Callable[[OnEpoch], tuple[Path, bool]]) -> Path:
    """Run a step, which tells of its epochs, and says whether it had been finished before."""
    with step_progress(name) as report:
        folder, reused = step(_epochs(report))
        if reused:
            get_run_logger().info(_REUSED)
            report(1, 1, _REUSED)
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
