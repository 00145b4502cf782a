"""Supervised fine-tuning's classifier, from labelled rows to labels over HTTP; and sources it cannot learn from."""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from PIL import Image
from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings
from safetensors.torch import load_file

from flows.retrain import retrain
from flows.steps.datasets import Dataset, demand_label_source, open_dataset
from flows.steps.errors import LabelsMissingError
from flows.steps.onnx_export import ExportError, export_classifier
from flows.steps.training import preprocessing_of
from models.classifier import build_classifier
from models.preprocessing import build_preprocessing
from models.recipe import Recipe, parse_recipe
from service.app import create_app
from service.metrics import Metrics
from service.operations import Worker
from service.release.home import Home
from service.release.integrity import verify_release
from service.runtime import Runtime
from service.sessions import open_session, run_session
from service.settings import Settings


def recipe(**changes: object) -> Recipe:
    few = {"epochs": 1, "batch_size": 32}
    described = {"name": "tiny", "kind": "ae", "layers": [32], "pretraining": few, "fine_tuning": few}
    contraction = {"kind": "analytic", "weight": 1e-3}
    supervised = few | {"epochs": 15, "contraction": contraction}
    return parse_recipe(described | {"supervised_fine_tuning": supervised} | changes)


@pytest.fixture(scope="module")
def prefect(prefect_api: str) -> Iterator[None]:
    """Flows run in this process; their logs, which are sent late, would outlive the server."""
    with temporary_settings({PREFECT_API_URL: prefect_api, PREFECT_LOGGING_TO_API_ENABLED: False}):
        yield


@dataclass(frozen=True)
class Trained:
    """What retraining on the digits left: the release's folder, and the dataset that it was measured on."""

    home: Home
    version: str
    dataset: Dataset

    @property
    def folder(self) -> Path:
        return self.home.store / self.version


@pytest.fixture(scope="module")
def trained(prefect: None, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    home = tmp_path_factory.mktemp("classifier") / "home"
    version = retrain(recipe(), source="digits", home=home, data_folder=home)
    (folder,) = (path for path in (home / "datasets").iterdir() if path.is_dir())
    return Trained(Home(home), version, open_dataset(folder))


def test_labelled_rows_become_a_classifier_whose_error_is_that_of_what_is_served(trained: Trained) -> None:
    manifest = verify_release(trained.folder)
    assert manifest.classifier is not None
    assert manifest.classifier.label_names == tuple("0123456789")
    (error,) = (metric for metric in manifest.metrics if metric.name == manifest.classifier.metric)
    rows, labels = trained.dataset.rows("test"), trained.dataset.labels("test")
    assert labels is not None
    p = Runtime.load(trained.folder, manifest, device="cpu").classify(rows)
    assert (error.split, error.rows, error.better) == ("test", len(rows), "lower")
    assert error.value == pytest.approx(100 * (p.argmax(1) != labels).mean())
    assert error.value < 20, "chance is 90 %"
    assert error.interval is not None
    assert 0 <= error.interval[0] < error.value < error.interval[1] < 30
    # By Wilson's centre, which lies between the error and a half.
    assert sum(error.interval) / 2 == pytest.approx(
        (error.value * len(rows) + 50 * 1.96**2) / (len(rows) + 1.96**2), rel=1e-4
    )
    assert (error.confidence, error.method) == (0.95, "Wilson")
    assert manifest.precisions == dict.fromkeys(("layer_1", "fine_tuning", "supervised_fine_tuning"), "float32")
    assert manifest.contraction_forms == {"supervised_fine_tuning": "closed"}


def test_a_row_posted_to_the_service_is_answered_with_its_label(trained: Trained) -> None:
    x, labels = trained.dataset.rows("test")[:50], trained.dataset.labels("test")
    assert labels is not None

    async def story() -> httpx.Response:
        worker = Worker.create(Settings(home=trained.home.root), Metrics())
        worker.champion.look()
        app = create_app()
        app.state.worker = worker
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service") as client:
            answer = await client.post("/v1/classify", json={"x": x.tolist()})
        worker.batcher.close()
        return answer

    answer = asyncio.run(story()).json()
    assert answer["release"] == trained.version
    right = [name == str(label) for name, label in zip(answer["label"], labels[:50], strict=True)]
    assert np.mean(right) > 0.8


def test_the_weights_of_a_release_are_those_of_its_classifier(trained: Trained) -> None:
    manifest = verify_release(trained.folder)
    described = parse_recipe(manifest.recipe)
    classifier = build_classifier(described, manifest.input.shape, 10).eval()
    classifier.load_state_dict(load_file(trained.folder / "classifier.safetensors"))
    x = trained.dataset.rows("test")[:20].astype(np.float32)
    with torch.no_grad():
        scaled = preprocessing_of(trained.dataset, described)(torch.from_numpy(x))
        expected = classifier(scaled).softmax(1).numpy()
    found = Runtime.load(trained.folder, manifest, device="cpu").classify(x)
    assert np.allclose(found, expected, atol=1e-4)
    assert not np.allclose(found[0], found[1], atol=1e-2)


def test_without_supervised_epochs_the_next_release_has_no_classifier(trained: Trained, prefect: None) -> None:
    unsupervised = recipe(supervised_fine_tuning={"epochs": 0})
    version = retrain(unsupervised, source="digits", home=trained.home.root, data_folder=trained.home.root)
    manifest = verify_release(trained.home.store / version)
    assert manifest.classifier is None
    assert "classifier.onnx" not in manifest.files
    assert "golden/p.npy" not in manifest.files
    assert all(metric.name != "classification_error" for metric in manifest.metrics)


@pytest.mark.parametrize(
    ("shape", "changes"),
    [
        ((5,), {"scaling": "standard", "output_activation": "linear"}),
        ((6, 6, 3), {"layers": [{"kind": "convolution", "channels": 4}, 7]}),
    ],
)
def test_the_exported_classifier_takes_rows_in_their_own_units_in_any_number(
    shape: tuple[int, ...], changes: dict[str, object], tmp_path: Path
) -> None:
    described = recipe(**changes)
    preprocessing = build_preprocessing(
        described, shape, minimum=[0.0], maximum=[255.0], mean=[100.0], standard_deviation=[60.0]
    )
    classifier = build_classifier(described, shape, 3).eval()
    rows = np.random.default_rng(0).uniform(0, 255, (33, *shape)).astype(np.float32)
    assert export_classifier(preprocessing, classifier, rows, tmp_path) < 1e-4
    assert [path.name for path in tmp_path.iterdir()] == ["classifier.onnx"]
    session = open_session(tmp_path / "classifier.onnx", "cpu", 1)
    with torch.no_grad():
        expected = classifier(preprocessing(torch.from_numpy(rows))).softmax(1).numpy()
    for count in (1, 2, 33):
        p = run_session(session, "x", "p", rows[:count])
        assert np.allclose(p, expected[:count], atol=1e-5)
        assert np.allclose(p.sum(1), 1, atol=1e-5)

    with torch.no_grad():
        classifier.head.bias[0] = torch.nan
    with pytest.raises(ExportError, match=r"classifier\.onnx differs from torch by nan"):
        export_classifier(preprocessing, classifier, rows, tmp_path)


def _npz(path: Path, *arrays: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in arrays:
            archive.writestr(f"{name}.npy", b"garbage")


def _pictures(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"garbage")


def _write(make: str, folder: Path) -> str:
    """A source whose content is garbage: whoever reads it fails at that."""
    path = folder / make
    makers: dict[str, Callable[[], object]] = {
        "rows.npy": lambda: path.write_bytes(b"garbage"),
        "unlabelled.npz": lambda: _npz(path, "x"),
        "labelled.npz": lambda: _npz(path, "x", "y"),
        "rows.csv": lambda: path.write_bytes(b"\xff\x00"),
        "rows.parquet": lambda: path.write_bytes(b"garbage"),
        "flat": lambda: _pictures(path, "a.png", "b.png"),
        "one": lambda: _pictures(path, "cat/a.png", "cat/b.png"),
        "two": lambda: _pictures(path, "cat/a.png", "dog/b.png"),
    }
    makers[make]()
    return str(path)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("rows.npy", "a .npy file, which has no place for labels"),
        ("unlabelled.npz", "a .npz file without an array y"),
        ("rows.csv", "a table without label_column"),
        ("rows.parquet", "a table without label_column"),
        ("flat", "a folder of images without sub-folders"),
        ("one", "a folder of images in one sub-folder, 'cat'"),
    ],
)
def test_a_source_without_labels_is_refused_by_its_names_alone(source: str, words: str, tmp_path: Path) -> None:
    path = _write(source, tmp_path)
    with pytest.raises(LabelsMissingError) as caught:
        demand_label_source(path, None)
    for part in ("supervised_fine_tuning", path, words, "expected labels", "supervised_fine_tuning.epochs=0"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("source", "label_column"),
    [("labelled.npz", None), ("rows.csv", "label"), ("two", None)],
)
def test_a_source_that_may_have_labels_is_left_to_be_read(
    source: str, label_column: str | None, tmp_path: Path
) -> None:
    demand_label_source(_write(source, tmp_path), label_column)


@pytest.mark.parametrize("name", ["auto", "mnist", "fashion-mnist", "digits"])
def test_a_public_dataset_has_labels_and_is_not_downloaded_to_know_it(name: str) -> None:
    demand_label_source(name, None)


def test_retraining_refuses_missing_labels_before_it_reads_and_a_single_label_before_it_trains(
    prefect: None, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    with pytest.raises(LabelsMissingError, match="no place for labels"):
        retrain(recipe(), source=_write("rows.npy", tmp_path), home=home, data_folder=tmp_path)
    # Only the lock that keeps retrainings apart is there.
    assert not (home / "datasets").exists()

    rng = np.random.default_rng(0)
    np.savez(tmp_path / "rows.npz", x=rng.random((100, 4)), y=np.full(100, 7))
    with pytest.raises(LabelsMissingError, match="all have the label '7', expected at least two"):
        retrain(recipe(), source=str(tmp_path / "rows.npz"), home=home, data_folder=tmp_path)
    for number in range(100):
        label = "cat" if number else "dog"
        (tmp_path / "photos" / label).mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(rng.integers(0, 255, (4, 4), dtype=np.uint8))
        # The only dog cannot be read.
        picture.save(tmp_path / "photos" / label / f"{number}.png")
    (tmp_path / "photos" / "dog" / "0.png").write_bytes(b"garbage")
    with pytest.raises(LabelsMissingError, match="all have the label 'cat'"):
        retrain(recipe(), source=str(tmp_path / "photos"), home=home, data_folder=tmp_path, skip_bad=True)
    assert not (home / "training").exists()
