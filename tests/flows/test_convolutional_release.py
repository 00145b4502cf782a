"""From a folder of images of an odd size, with an opacity, to a release that answers in the same form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from flows.steps.datasets import PrepareSettings, prepare_dataset
from flows.steps.publishing import export_step, publish_step
from flows.steps.release_contents import Lineage
from flows.steps.training import fine_tune_step, pretrain_step, scale_dataset
from models.recipe import parse_recipe
from service.release.home import Home
from service.release.store import ReleaseStore
from service.runtime import Runtime

RECIPE = {
    "name": "odd",
    "kind": "sdae",
    "layers": [
        {"kind": "convolution", "channels": 4, "kernel_size": 4, "up": "resize"},
        {"kind": "convolution", "channels": 3, "kernel_size": 3, "stride": 3},
        2,
    ],
    "activation": "relu",
    "code_activation": "linear",
    "corruption": {"kind": "masking", "level": 0.2},
    "pretraining": {"epochs": 1},
    "fine_tuning": {"epochs": 1},
}


def test_a_folder_of_transparent_images_of_an_odd_size_becomes_a_release(tmp_path: Path) -> None:
    shape = (7, 11, 4)
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(60):
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(folder / f"{number:02}.png")
    home, recipe = Home(tmp_path / "home"), parse_recipe(RECIPE)

    dataset = prepare_dataset(str(folder), home=home.root, data_folder=tmp_path, settings=PrepareSettings())
    rows = scale_dataset(dataset, recipe, home.root)
    layers: list[Path] = []
    for index in range(3):
        layers.append(pretrain_step(dataset, recipe, index, layers[-1] if layers else rows, home.root)[0])
    stack = fine_tune_step(dataset, recipe, rows, layers, home.root)[0]
    exported = export_step(dataset, recipe, stack, home.root)
    manifest = publish_step(dataset, recipe, exported, home, lambda _: Lineage("first", "2026-01-01", None, None))

    assert manifest.input.shape == shape
    release = ReleaseStore(home).folder("first")
    runtime = Runtime.load(release, manifest, device="cpu")
    images = dataset.rows("test").astype(np.float32)
    assert runtime.reconstruct(images).shape == images.shape
    for name in ("reconstructions", "filters"):
        with Image.open(release / "figures" / f"{name}.png") as figure:
            assert figure.width > 500
