"""From a folder of images of an odd size, with an opacity, to a release that answers in the same form; its report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from flows.steps.datasets import Dataset, PrepareSettings, prepare_dataset
from flows.steps.figures.tiles import Tiles
from flows.steps.publishing import export_step, publish_step
from flows.steps.release_contents import Lineage
from flows.steps.report.making import make_report
from flows.steps.report.picture import Picture
from flows.steps.training import fine_tune_step, pretrain_step, scale_dataset
from models.recipe import parse_recipe
from service.release.home import Home
from service.release.manifest import Manifest
from service.release.store import ReleaseStore
from service.runtime import Runtime
from tests.flows.drawn import Page, pixels, place_of

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
    "export": {"variants": ["int8"]},
}


_SHAPE = (7, 11, 4)
_DRAWN = ("reconstructions", "filters", "map", "neighbours", "lines", "generation")
_COMPARED = ("filters-by-level", "errors-by-level", "spectra")


@dataclass(frozen=True)
class Release:
    home: Home
    dataset: Dataset
    folder: Path
    manifest: Manifest

    @property
    def runtime(self) -> Runtime:
        return Runtime.load(self.folder, self.manifest, device="cpu")


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    around = tmp_path_factory.mktemp("convolutional")
    folder = around / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(60):
        Image.fromarray(rng.integers(0, 256, _SHAPE, dtype=np.uint8)).save(folder / f"{number:02}.png")
    home, recipe = Home(around / "home"), parse_recipe(RECIPE)

    dataset = prepare_dataset(str(folder), home=home.root, data_folder=around, settings=PrepareSettings())
    rows = scale_dataset(dataset, recipe, home.root)
    layers: list[Path] = []
    for index in range(3):
        layers.append(pretrain_step(dataset, recipe, index, layers[-1] if layers else rows, home.root)[0])
    stack = fine_tune_step(dataset, recipe, rows, layers, home.root)[0]
    exported = export_step(dataset, recipe, stack, home.root)
    manifest = publish_step(dataset, recipe, exported, home, lambda _: Lineage("first", "2026-01-01", None, None))
    return Release(home, dataset, ReleaseStore(home).folder("first"), manifest)


@pytest.fixture(scope="module")
def report(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("report") / "out"
    entries = make_report(release.home, "first", output, compare=True, on_progress=lambda *_: None)
    assert [entry.name for entry in entries if isinstance(entry, Picture)] == [*_DRAWN, *_COMPARED]
    return output


def over_white(rows: np.ndarray) -> np.ndarray:
    """Rows of red, green, blue and opacity, 0 to 255, as they look on white paper."""
    share = rows.astype(np.float64).clip(0, 255) / 255
    colours, opacity = share[..., :3], share[..., 3:]
    shown: np.ndarray = np.rint(255 * (colours * opacity + (1 - opacity))).astype(np.uint8)
    return shown


def test_a_folder_of_transparent_images_of_an_odd_size_becomes_a_release(release: Release) -> None:
    assert release.manifest.input.shape == _SHAPE
    images = release.dataset.rows("test").astype(np.float32)
    assert release.runtime.reconstruct(images).shape == images.shape
    for name in ("reconstructions", "filters"):
        with Image.open(release.folder / "figures" / f"{name}.png") as figure:
            assert figure.width > 500


def test_its_dense_layers_are_stored_in_eight_bits_where_the_recipe_asks(release: Release) -> None:
    (variant,) = release.manifest.variants
    assert variant.name == "int8"
    Runtime.load(release.folder, release.manifest, device="cpu", variant="int8").reproduce_golden()


def test_its_report_has_every_picture_but_one_and_says_why(report: Path) -> None:
    drawn = _DRAWN + _COMPARED
    assert {path.name for path in report.iterdir()} == {"report.html", *(f"{name}.png" for name in drawn)}
    page = Page(report / "report.html")
    assert len(page.all("img")) == len(drawn)
    words = " ".join(page.text.split())
    assert "7 × 11 × 4 image" in words
    # 7 x 11 pixels of 4 channels: 256 to the power of 308 images.
    assert "10^742 such images of 256 levels a channel of a pixel" in words
    assert "no probe can be fitted to the layers' codes" in words
    assert "Rows that are alike lie together. Two dimensions show" in words
    assert "The convolution kernels of the 4 of 4 units" in words


def test_the_report_shows_test_rows_and_the_services_answer_to_them_with_their_opacity(
    release: Release, report: Path
) -> None:
    picture = pixels(report / "reconstructions.png")
    originals = np.load(release.folder / "golden" / "x.npy")
    assert all((release.dataset.rows("test") == row).all((1, 2, 3)).any() for row in originals)
    answers = release.runtime.reconstruct(originals)
    above, below = (place_of(picture, Tiles("", over_white(rows), 8).canvas()) for rows in (originals, answers))
    assert above[0] < below[0]
    assert above[1] == below[1]


def test_the_report_shows_the_colours_of_the_kernels_the_largest_first(release: Release, report: Path) -> None:
    weight = load_file(release.folder / "weights.safetensors")["_pairs.0.weight"]
    assert weight.shape == (4, 4, 4, 4)
    order = np.argsort(-np.linalg.norm(weight.reshape(4, -1), axis=1))
    # Without the opacity, which has no colour; each from black at its most negative to white.
    kernels = np.moveaxis(weight[order, :3], 1, -1).astype(np.float64)
    shown = np.rint(127.5 * (1 + kernels / np.abs(kernels).max((1, 2, 3), keepdims=True))).astype(np.uint8)
    place_of(pixels(report / "filters.png"), Tiles("", shown, 16, side=58).canvas())
