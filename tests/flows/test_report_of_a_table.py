"""The report of a small contractive release of a table whose names are no plain words."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from flows.steps.datasets import Dataset, PrepareSettings, prepare_dataset
from flows.steps.errors import ReportError
from flows.steps.evaluation import sample_indices
from flows.steps.figures import Look
from flows.steps.publishing import export_step, publish_step
from flows.steps.release_contents import Lineage
from flows.steps.report import comparison, making
from flows.steps.report.comparison_pictures import HEADINGS
from flows.steps.report.making import make_report
from flows.steps.report.new_rows import new_rows
from flows.steps.report.picture import Skipped
from flows.steps.report.release_data import ReleaseData
from flows.steps.training import fine_tune_step, pretrain_step, scale_dataset
from models.recipe import parse_recipe
from service.release.home import Home
from service.release.manifest import Manifest
from service.release.store import ReleaseStore
from tests.flows.drawn import Page, pixels, tiles_in

_RECIPE = {
    "name": "table",
    "kind": "cae",
    "layers": [4, 2],
    "activation": "sigmoid",
    "code_activation": "sigmoid",
    "output_activation": "linear",
    "loss": "squared_error",
    "scaling": "standard",
    "contraction": {"kind": "analytic", "weight": 0.1},
    "pretraining": {"epochs": 1, "minimum_steps": 0},
    "fine_tuning": {"epochs": 1, "minimum_steps": 0},
}
# matplotlib would read the first as mathematics, and its font has none of the second's letters.
_COLUMNS = (r"$\x$", "高さ", "c", "d", "e", "f")
_LABELS = (r"$\kind$", "種")


@dataclass(frozen=True)
class Release:
    home: Home
    dataset: Dataset
    folder: Path
    manifest: Manifest


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    folder = tmp_path_factory.mktemp("table")
    generator, home, recipe = np.random.default_rng(0), Home(folder / "home"), parse_recipe(_RECIPE)
    rows = generator.normal(size=(200, 2)) @ generator.normal(size=(2, 6)) * [1, 10, 100, 1, 1, 1]
    lines = [",".join(map(str, row)) + f",{_LABELS[int(row[0] > 0)]}" for row in rows]
    (folder / "table.csv").write_text("\n".join([",".join([*_COLUMNS, "label"]), *lines]), "utf-8")
    settings = PrepareSettings(label_column="label")
    dataset = prepare_dataset(str(folder / "table.csv"), home=home.root, data_folder=folder, settings=settings)
    scaled = scale_dataset(dataset, recipe, home.root)
    layers: list[Path] = []
    for index in range(2):
        layers.append(pretrain_step(dataset, recipe, index, layers[-1] if layers else scaled, home.root)[0])
    stack = fine_tune_step(dataset, recipe, scaled, layers, home.root)[0]
    exported = export_step(dataset, recipe, stack, home.root)
    manifest = publish_step(dataset, recipe, exported, home, lambda _: Lineage("first", "2026-01-01", None, None))
    return Release(home, dataset, ReleaseStore(home).folder("first"), manifest)


def silent(step: str, done: int, total: int, note: str) -> None:
    pass


def report(release: Release, output: Path) -> None:
    make_report(release.home, "first", output, compare=False, on_progress=silent)


def test_samples_are_called_what_they_are(release: Release) -> None:
    sampling = release.manifest.sampling
    assert sampling is not None
    assert sampling.default == "jacobian_walk"
    captions = json.loads((release.folder / "figures" / "captions.json").read_text("utf-8"))
    words = json.dumps(captions)
    assert words.count(f"by {sampling.steps} steps of the Jacobian walk from training rows") >= 2
    assert "density" not in words


def test_an_earlier_report_is_replaced_and_pictures_of_ones_own_are_not(release: Release, tmp_path: Path) -> None:
    output = tmp_path / "out"
    report(release, output)
    (output / "report.html").write_text("old")
    report(release, output)
    page = Page(output / "report.html")
    assert len(page.all("img")) == 6
    assert page.text.count("the quick report trains nothing") == 4
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    (output / "holiday.png").write_bytes(b"mine")
    with pytest.raises(ReportError, match=r"holiday\.png"):
        report(release, output)
    assert (output / "holiday.png").read_bytes() == b"mine"


def test_a_report_that_cannot_be_put_in_place_leaves_the_earlier_one(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "report.html").write_text("earlier")

    def full(staging: Path, final: Path) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(making, "replace_folder", full)
    with pytest.raises(ReportError, match="no space left"):
        report(release, output)
    assert (output / "report.html").read_text() == "earlier"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_all_depths_are_probed_on_the_rows_that_are_stated(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The table is wider than the layers: 100 rows of it are as many entries as 150 codes of the first.
    monkeypatch.setattr(comparison, "_MOST_ENTRIES", 600)
    opened = ReleaseData.load(release.folder, release.manifest)
    found = comparison.errors_by_depth(opened, release.dataset, tmp_path)
    assert found is not None
    points, rows = found
    stated = release.dataset.record.rows
    assert rows == {split: min(100, stated[split]) for split in comparison.SPLITS}
    assert len(points) == 3
    for depth, point in enumerate(points):
        sides = []
        for split in comparison.SPLITS:
            chosen = sample_indices(release.dataset, split, 0, rows[split])
            labels = release.dataset.labels(split)
            assert labels is not None
            x = release.dataset.rows(split)[chosen].astype(np.float32)
            # Depth 0 is the table itself.
            sides.append((opened.runtime.encode(x, depth) if depth else x, labels[chosen]))
        assert (point.at, point.mean, point.low, point.high) == (depth, *comparison.probe_error(*sides))


def test_rows_are_drawn_as_strips_of_their_features(release: Release) -> None:
    # The first strip of the first path is one of the rows, each feature in its own range.
    picture, known = (
        pixels(release.folder / "figures" / "lines.png"),
        np.load(release.folder / "reference" / "rows.npy"),
    )
    top, left = tiles_in(picture, 16)[0]
    shown = picture[top + 8, left + 30 : left + 6 * 63 : 63]
    assert (Look.of_vectors(known).tiles(known)[:, 0] == shown).all((1, 2)).sum() == 1


def test_without_its_dataset_a_release_is_drawn_and_the_page_says_what_is_left_out(
    release: Release, tmp_path: Path
) -> None:
    home, output = tmp_path / "home", tmp_path / "out"
    shutil.copytree(release.home.root, home, ignore=shutil.ignore_patterns("datasets"))
    make_report(Home(home), "first", output, compare=True, on_progress=silent)
    assert len(list(output.glob("*.png"))) == 6
    assert Page(output / "report.html").text.count("Left out: it needs a short training") == 4


def test_what_cannot_be_made_of_a_dataset_is_left_out_and_the_page_says_why(release: Release, tmp_path: Path) -> None:
    home, output = Path(shutil.copytree(release.home.root, tmp_path / "home")), tmp_path / "out"
    shutil.rmtree(home / "training")
    record = home / "datasets" / release.manifest.data.fingerprint / "dataset.json"
    described = json.loads(record.read_text("utf-8"))
    # A mean and a deviation too few for the six columns.
    described["statistics"] = {name: values[:5] for name, values in described["statistics"].items()}
    record.write_text(json.dumps(described), "utf-8")
    entries = make_report(Home(home), "first", output, compare=True, on_progress=silent)
    page = Page(output / "report.html")
    assert [entry.heading for entry in entries if isinstance(entry, Skipped)] == list(HEADINGS)
    assert page.text.count("Left out: the rows do not fit it (5 numbers came; expected 1 or 6") == 4
    assert len(page.all("img")) == len(list(output.glob("*.png"))) == 6


def test_random_rows_of_a_table_fill_the_box_of_its_rows(release: Release) -> None:
    opened = ReleaseData.load(release.folder, release.manifest)
    made = new_rows(opened, 400)
    low, high = opened.rows.min(0), opened.rows.max(0)
    share = (made.noise - low) / (high - low)
    assert ((share.min(0) >= 0) & (share.min(0) < 0.05) & (share.max(0) > 0.95) & (share.max(0) <= 1)).all()
    assert np.array_equal(made.decoded, opened.runtime.decode(made.codes))


def test_a_folder_that_is_no_report_is_left_alone(release: Release, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ReportError, match=r"thesis\.tex"):
        report(release, tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
