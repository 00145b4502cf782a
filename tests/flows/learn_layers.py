"""A process that trains two layers, the stack and a classifier on digits, and can be killed: `learn_layers.py HOME`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from flows.steps.datasets import PrepareSettings, prepare_dataset
from flows.steps.recipes import load_recipe
from flows.steps.training import classify_step, fine_tune_step, pretrain_step, scale_dataset
from models.training import EpochReport

# In each phase.
EPOCHS = 6
_SETTINGS = (
    "layers=[48,16]",
    f"pretraining.epochs={EPOCHS}",
    "pretraining.minimum_steps=0",
    "pretraining.batch_size=128",
    f"fine_tuning.epochs={EPOCHS}",
    "fine_tuning.minimum_steps=0",
    "fine_tuning.batch_size=128",
    "fine_tuning.corrupt=true",
    f"supervised_fine_tuning.epochs={EPOCHS}",
    "supervised_fine_tuning.batch_size=128",
    f"supervised_fine_tuning.patience={EPOCHS}",
)


def main(home: Path) -> None:
    """Train, and print a line an epoch and the folders of the stack and of the classifier at the end."""
    recipe = load_recipe("sdae", _SETTINGS)
    dataset = prepare_dataset("digits", home=home, data_folder=home / "data", settings=PrepareSettings())
    rows = scale_dataset(dataset, recipe, home)
    layers: list[Path] = []
    for index in range(2):
        below = layers[-1] if layers else rows
        layers.append(pretrain_step(dataset, recipe, index, below, home, _say(f"layer{index + 1}"))[0])
    stack, _ = fine_tune_step(dataset, recipe, rows, layers, home, _say("stack"))
    classifier, _ = classify_step(dataset, recipe, rows, layers, home, _say("classifier"))
    sys.stdout.write(f"{stack}\n{classifier}\n")


def _say(phase: str) -> Callable[[EpochReport], None]:
    def say(report: EpochReport) -> None:
        sys.stdout.write(f"{phase} {report.epoch}\n")
        sys.stdout.flush()

    return say


if __name__ == "__main__":
    main(Path(sys.argv[1]))
