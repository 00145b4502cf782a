"""A process that trains two layers and a classifier on digits, and can be killed: `learn_layers.py HOME`."""

from __future__ import annotations

import sys
from pathlib import Path

from flows.steps.datasets import PrepareSettings, prepare_dataset
from flows.steps.recipes import load_recipe
from flows.steps.training import classify_step, pretrain_step, scale_dataset
from models.training import EpochReport

_SETTINGS = (
    "layers=[48,16]",
    "pretraining.epochs=6",
    "pretraining.minimum_steps=0",
    "pretraining.batch_size=128",
    "fine_tuning.epochs=0",
    "supervised_fine_tuning.epochs=6",
    "supervised_fine_tuning.batch_size=128",
    "supervised_fine_tuning.patience=6",
)


def main(home: Path) -> None:
    """Train, and print a line an epoch and the folder of the classifier at the end."""

    def say(report: EpochReport) -> None:
        sys.stdout.write(f"{report.layer} {report.epoch}\n")
        sys.stdout.flush()

    recipe = load_recipe("sdae", _SETTINGS)
    dataset = prepare_dataset("digits", home=home, data_folder=home / "data", settings=PrepareSettings())
    rows = scale_dataset(dataset, recipe, home)
    layers: list[Path] = []
    for index in range(2):
        layers.append(pretrain_step(dataset, recipe, index, layers[-1] if layers else rows, home, say)[0])
    folder, _ = classify_step(dataset, recipe, rows, layers, home, say)
    sys.stdout.write(f"{folder}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
