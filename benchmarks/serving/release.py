"""Two real releases of 784-1000-500-250-30, made by the product's own steps from random rows: speed asks for no more.

`python -m benchmarks.serving.release HOME` writes their versions: what trains stays out of the process that measures.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.serving.subjects import pixel_rows
from flows.steps.datasets import PrepareSettings, prepare_dataset
from flows.steps.promotion import promote_release
from flows.steps.publishing import export_step, publish_step
from flows.steps.recipes import load_recipe
from flows.steps.release_contents import Lineage
from flows.steps.training import fine_tune_step, pretrain_step, scale_dataset
from models.learning import EpochReport
from service.release.channels import Channels
from service.release.home import Home

CODE = 30
_ROWS = 1_000
_SETTINGS = (
    f"layers=[1000,500,250,{CODE}]",
    "pretraining.epochs=1",
    "pretraining.minimum_steps=0",
    "fine_tuning.epochs=1",
    "fine_tuning.minimum_steps=0",
)


def two_releases(home: Path) -> tuple[str, str]:
    """Versions of two releases in a home; the first is its champion. A home that has them keeps them."""
    channels = Channels(Home(home))
    state = channels.read()
    if state.champion and state.previous:
        return state.champion, state.previous
    home.mkdir(parents=True, exist_ok=True)
    source = home / "random.npy"
    np.save(source, pixel_rows(_ROWS, seed=0))
    second, first = (_publish(home, source, seed) for seed in (1, 0))
    return first, second


def _publish(home: Path, source: Path, seed: int) -> str:
    recipe = load_recipe("sae", (*_SETTINGS, f"seed={seed}"))
    dataset = prepare_dataset(str(source), home=home, data_folder=home, settings=PrepareSettings())
    rows = scale_dataset(dataset, recipe, home)
    layers: list[Path] = []
    for index in range(len(recipe.layers)):
        layers.append(pretrain_step(dataset, recipe, index, layers[-1] if layers else rows, home, _unheard)[0])
    stack, _ = fine_tune_step(dataset, recipe, rows, layers, home, _unheard)
    exported = export_step(dataset, recipe, stack, home)
    now = datetime.now(UTC)

    def lineage(space: str) -> Lineage:
        return Lineage(f"{now:%Y%m%d-%H%M%S}-{space[:8]}", now.isoformat(timespec="seconds"), None, None)

    version = publish_step(dataset, recipe, exported, Home(home), lineage).version
    promote_release(Home(home), version, who="benchmark", why="to be served")
    return version


def _unheard(_report: EpochReport) -> None:
    pass


if __name__ == "__main__":
    print(json.dumps(two_releases(Path(sys.argv[1]).absolute())))
