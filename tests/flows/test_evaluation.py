"""The figures of a release: each with split, rows and interval, and true where the truth is known."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA

from flows.steps.datasets import Dataset, PrepareSettings, prepare_dataset
from flows.steps.datasets.collecting import MISSING
from flows.steps.datasets.record import SPLITS
from flows.steps.evaluation import Subject, evaluate, measured
from flows.steps.evaluation.labels import label_metrics
from flows.steps.evaluation.reconstruction import reconstruction_metrics
from flows.steps.latent import squared_errors
from flows.steps.onnx_export import export_networks
from flows.steps.publishing import error_scale
from flows.steps.release_contents import Lineage, complete_release
from flows.steps.training import preprocessing_of
from models.recipe import Recipe, parse_recipe
from models.stack import build_stack
from service.release.manifest import Curve, Metric
from service.runtime import Runtime


def recipe_of(**fields: Any) -> Recipe:
    small = {"name": "small", "kind": "ae", "layers": [20, 5], "activation": "relu", "code_activation": "linear"}
    return parse_recipe(small | fields)


def subject_of(dataset: Dataset, recipe: Recipe, folder: Path) -> Subject:
    """A release with initial weights: every figure has a meaning, none is flattering."""
    preprocessing, stack = preprocessing_of(dataset, recipe), build_stack(recipe, dataset.record.shape).eval()
    folder.mkdir()
    export_networks(preprocessing, stack, dataset.rows("test")[:7].astype(np.float32), folder)
    lineage = Lineage(version="v1", created="now", parent=None, flow_run=None)
    manifest = complete_release(folder, dataset, recipe, error_scale(dataset, recipe), lineage, {})
    return Subject(Runtime.load(folder, manifest, device="cpu"), dataset, recipe, preprocessing, stack)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    home = tmp_path_factory.mktemp("home")
    return prepare_dataset(
        "digits", home=home, data_folder=home, settings=PrepareSettings(), on_progress=lambda *_: None
    )


@pytest.fixture(scope="module")
def subject(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return subject_of(digits, recipe_of(), tmp_path_factory.mktemp("release") / "draft")


@pytest.fixture(scope="module")
def figures(subject: Subject) -> dict[str, Metric | Curve]:
    return {figure.name: figure for figure in evaluate(subject)}


def test_every_figure_says_its_split_its_rows_and_its_interval(
    figures: dict[str, Metric | Curve], digits: Dataset
) -> None:
    for name, figure in figures.items():
        assert 0 < figure.rows <= {str(split): rows for split, rows in digits.record.rows.items()}[figure.split]
        assert figure.method
        if isinstance(figure, Curve):
            assert figure.low is not None
            assert figure.high is not None
            assert all(
                low <= value <= high for low, value, high in zip(figure.low, figure.values, figure.high, strict=True)
            )
        elif name.startswith("dead_units"):
            # All units are counted: nothing is drawn.
            assert figure.interval is None
        else:
            assert figure.interval is not None
            assert figure.confidence == 0.95
            assert figure.interval[0] <= figure.value <= figure.interval[1]


def test_the_figures_of_the_code_stand_beside_those_of_inputs_or_pca(figures: dict[str, Metric | Curve]) -> None:
    assert {"squared_error", "squared_error_per_entry", "squared_error_of_pca"} <= figures.keys()
    for name in ("neighbour_accuracy", "linear_probe_accuracy"):
        assert {name, f"{name}_of_inputs", f"{name}_of_pca"} <= figures.keys()
    assert {"trustworthiness", "trustworthiness_of_pca", "continuity", "continuity_of_pca"} <= figures.keys()
    for name in ("precision", "recall", "density", "coverage"):
        assert {f"sample_{name}", f"sample_{name}_of_rows"} <= figures.keys()
    assert {"jacobian_norm", "jacobian_spectrum", "contraction_ratio", "saturation_layer_1"} <= figures.keys()
    # The bottleneck is linear: it has no units to saturate.
    assert "saturation_layer_2" not in figures


def test_what_has_a_known_answer_has_it(figures: dict[str, Metric | Curve], subject: Subject, digits: Dataset) -> None:
    values = {name: figure.value for name, figure in figures.items() if isinstance(figure, Metric)}
    train, test = (digits.rows(split).reshape(-1, 64) / 16.0 for split in ("train", "test"))
    pca = PCA(5).fit(train)
    left = np.square(test - pca.inverse_transform(pca.transform(test))).sum(1).mean()
    assert values["squared_error_of_pca"] == pytest.approx(left, rel=1e-4)
    rows = digits.rows("test").astype(np.float32)
    error = np.square((rows - subject.runtime.reconstruct(rows)) / 16.0).reshape(len(rows), -1).sum(1).mean()
    assert values["squared_error"] == pytest.approx(error, rel=1e-4)
    assert values["squared_error_per_entry"] == pytest.approx(error / 64, rel=1e-4)
    # Real rows in the samples' place are nearly perfect; initial weights' samples are not.
    assert values["sample_coverage_of_rows"] > 0.9
    assert values["sample_coverage"] < 0.2
    spectrum = figures["jacobian_spectrum"]
    assert isinstance(spectrum, Curve)
    assert len(spectrum.values) == 5
    assert list(spectrum.values) == sorted(spectrum.values, reverse=True)
    # The norm is the root of the sum of squared singular values, up to means over other rows.
    assert values["jacobian_norm"] == pytest.approx(np.sqrt(np.square(spectrum.values).sum()), rel=0.05)


def test_the_same_release_measured_again_has_the_same_figures(
    figures: dict[str, Metric | Curve], subject: Subject
) -> None:
    manifest = measured(subject)
    again: list[Metric | Curve] = [*manifest.metrics, *manifest.curves]
    assert {figure.name: figure for figure in again} == figures
    assert manifest.space_id == subject.runtime.manifest.space_id


def test_the_test_split_is_never_whole_in_memory(subject: Subject, digits: Dataset, tmp_path: Path) -> None:
    count = 200_000
    np.lib.format.open_memmap(tmp_path / "test.npy", mode="w+", dtype=np.uint8, shape=(count, 8, 8)).flush()
    record = digits.record.model_copy(update={"rows": {**digits.record.rows, "test": count}})
    large = replace(subject, dataset=Dataset(tmp_path, record))
    tracemalloc.start()
    try:
        metrics = list(reconstruction_metrics(large, None))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert metrics[0].rows == count
    # As float32 the rows alone are 51 MB.
    assert peak < 20e6


def test_a_table_without_labels_is_measured_without_them_each_column_in_its_own_unit(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = random.standard_normal((3000, 4)) * [1, 10, 100, 1000] + 5
    np.save(tmp_path / "rows.npy", rows.astype(np.float32))
    dataset = prepare_dataset(
        str(tmp_path / "rows.npy"),
        home=tmp_path,
        data_folder=tmp_path,
        settings=PrepareSettings(),
        on_progress=lambda *_: None,
    )
    recipe = recipe_of(layers=[6], scaling="standard", output_activation="linear", code_activation="tanh")
    figures = {figure.name: figure for figure in evaluate(subject_of(dataset, recipe, tmp_path / "draft"))}
    assert not [name for name in figures if "accuracy" in name]
    # More code units than columns: PCA would leave nothing.
    assert "squared_error_of_pca" not in figures
    ratio = figures["contraction_ratio"]
    assert isinstance(ratio, Curve)
    # Two draws of four independent columns of deviation 1 are 2 Γ(5/2) / Γ(2) apart: no column's unit weighs more.
    assert ratio.at[-1] / 2 == pytest.approx(2.659, rel=0.07)
    assert ratio.at[-1] / 2 / ratio.at[0] == pytest.approx(64)


@pytest.mark.parametrize(("scale", "expected"), [((2.0,), 1.0), ((1.0, 2.0, 4.0, 8.0), 1.328125)])
def test_an_error_is_counted_in_the_manifests_unit_one_or_one_a_feature(
    scale: tuple[float, ...], expected: float
) -> None:
    rows = np.zeros((3, 2, 2), np.float32)
    rebuilt = rows + 1
    assert squared_errors(rows, rebuilt, scale).tolist() == 3 * [expected]


def test_rows_without_a_label_are_no_label_of_their_own(subject: Subject, digits: Dataset, tmp_path: Path) -> None:
    rows = {"train": 60, "validation": 20, "test": 30}
    for split in SPLITS:
        np.save(tmp_path / f"{split}.npy", digits.rows(split)[: rows[split]])
        labels = np.array(digits.labels(split))[: rows[split]]
        labels[::3] = MISSING
        np.save(tmp_path / f"labels_{split}.npy", labels)
    some = replace(subject, dataset=Dataset(tmp_path, digits.record.model_copy(update={"rows": rows})))
    figures = {figure.name: figure for figure in label_metrics(some, None)}
    assert {name: figure.rows for name, figure in figures.items() if not name.endswith("_of_inputs")} == {
        "neighbour_accuracy": 20,
        "linear_probe_accuracy": 20,
    }
    assert (figures["neighbour_accuracy"].method or "").startswith("1 neighbour among 40 training rows")

    np.save(tmp_path / "labels_test.npy", np.full(30, MISSING))
    assert list(label_metrics(some, None)) == []


def test_a_split_of_a_few_rows_gives_the_figures_that_it_can(subject: Subject, digits: Dataset, tmp_path: Path) -> None:
    rows = {"train": 40, "validation": 2, "test": 3}
    for split in SPLITS:
        np.save(tmp_path / f"{split}.npy", digits.rows(split)[: rows[split]])
        labels = digits.labels(split)
        assert labels is not None
        np.save(tmp_path / f"labels_{split}.npy", labels[: rows[split]])
    few = replace(subject, dataset=Dataset(tmp_path, digits.record.model_copy(update={"rows": rows})))
    figures = {figure.name: figure for figure in evaluate(few)}
    assert {"squared_error", "linear_probe_accuracy", "jacobian_norm", "sample_coverage"} <= figures.keys()
    assert "trustworthiness" not in figures
