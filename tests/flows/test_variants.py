"""A recipe that asks for its networks in fewer bits, from training to a release that says what they lose."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest

from flows.steps.datasets import Dataset, PrepareSettings, prepare_dataset
from flows.steps.phases import PHASES_FILE, read_phases
from flows.steps.publishing import error_scale, export_step
from flows.steps.release_contents import Lineage, complete_release
from flows.steps.training import fine_tune_step, pretrain_step, scale_dataset
from flows.steps.variants import store_variants
from models.recipe import RecipeError, parse_recipe
from service.release.home import Home
from service.release.integrity import verify_release
from service.release.manifest import Manifest
from service.release.store import ReleaseStore
from service.runtime import Runtime

RECIPE = {
    "name": "small",
    "kind": "sae",
    "layers": [32, 6],
    "code_activation": "linear",
    "pretraining": {"epochs": 3},
    "fine_tuning": {"epochs": 3},
}
LINEAGE = Lineage("first", "2026-01-01", None, None)
EXPORT = {"variants": ["int8", "float16"], "least_neighbour_agreement": 0.6}


@dataclass(frozen=True)
class Released:
    folder: Path
    manifest: Manifest
    dataset: Dataset
    was_trained_before: bool


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Released:
    around = tmp_path_factory.mktemp("variants")
    home = Home(around / "home")
    dataset = prepare_dataset("digits", home=home.root, data_folder=around, settings=PrepareSettings())
    for words in (RECIPE, RECIPE | {"export": EXPORT}):
        recipe = parse_recipe(words)
        rows = scale_dataset(dataset, recipe, home.root)
        layers: list[Path] = []
        for index in range(2):
            layers.append(pretrain_step(dataset, recipe, index, layers[-1] if layers else rows, home.root)[0])
        stack, was_there = fine_tune_step(dataset, recipe, rows, layers, home.root)
    exported = export_step(dataset, recipe, stack, home.root)
    store = ReleaseStore(home)
    with store.draft() as draft:
        shutil.copytree(exported, draft, dirs_exist_ok=True, ignore=shutil.ignore_patterns(PHASES_FILE))
        scale = error_scale(dataset, recipe)
        manifest = complete_release(draft, dataset, recipe, scale, LINEAGE, read_phases(exported))
        variants = store_variants(draft, manifest, dataset, recipe)
        store.publish(draft, manifest.model_copy(update={"variants": variants}))
    folder = store.folder("first")
    return Released(folder, verify_release(folder), dataset, was_there)


def test_what_else_is_stored_changes_no_training(released: Released) -> None:
    assert released.was_trained_before


def test_each_variant_is_smaller_and_says_how_many_neighbours_it_keeps(released: Released) -> None:
    int8, float16 = released.manifest.variants
    rows = released.dataset.rows("test").astype(np.float32)
    exact = Runtime.load(released.folder, released.manifest, device="cpu").encode(rows)
    for variant, most_bytes in ((int8, 0.75), (float16, 0.75)):
        assert variant.bytes < most_bytes * variant.float32_bytes
        assert variant.rows == len(rows)
        codes = Runtime.load(released.folder, released.manifest, device="cpu", variant=variant.name).encode(rows)
        assert variant.neighbour_agreement == pytest.approx(kept(exact, codes, codes), abs=0.002)
        assert variant.neighbour_agreement_among_float32 == pytest.approx(kept(exact, codes, exact), abs=0.002)
        assert variant.least_neighbour_agreement == 0.6
        assert variant.is_within_bound
    assert 0.6 < int8.neighbour_agreement < float16.neighbour_agreement


def kept(before: np.ndarray, after: np.ndarray, among: np.ndarray) -> float:
    """The share of the ten nearest that are still the nearest, row by row."""
    shares = []
    for row in range(len(before)):
        near = []
        for code, codes in ((before[row], before), (after[row], among)):
            distances = np.linalg.norm(codes.astype(np.float64) - code, axis=1)
            distances[row] = np.inf
            near.append(set(np.argsort(distances)[:10]))
        shares.append(len(near[0] & near[1]) / 10)
    return float(np.mean(shares))


@pytest.mark.parametrize("name", ["int8", "float16"])
def test_a_row_has_the_same_code_alone_and_beside_any_others(released: Released, name: str) -> None:
    runtime = Runtime.load(released.folder, released.manifest, device="cpu", variant=name)  # type: ignore[arg-type]
    runtime.reproduce_golden()
    rows = released.dataset.rows("test")[:64].astype(np.float32)
    beside_giants = np.concatenate([rows[:1], rows[1:] * 1000])
    assert np.array_equal(runtime.encode(rows[:1]), runtime.encode(rows)[:1])
    assert np.array_equal(runtime.encode(rows[:1]), runtime.encode(beside_giants)[:1])


def test_the_graphs_have_standard_operators_only(released: Released) -> None:
    for graph in released.folder.glob("variants/*/*.onnx"):
        assert {opset.domain for opset in onnx.load(graph).opset_import} <= {"", "ai.onnx"}


@pytest.mark.parametrize(
    ("layers", "export", "words"),
    [
        ([{"kind": "convolution", "channels": 2}], {"variants": ["int8"]}, "int8 where at least one layer is dense"),
        ([4], {"variants": ["int8", "int8"]}, "each variant once"),
        ([4], {"least_neighbour_agreement": 0}, "export.least_neighbour_agreement: 0 came"),
        ([4], {"variants": ["int4"]}, "export.variants.0: 'int4' came"),
    ],
)
def test_a_wrong_export_is_refused_before_training(layers: list[object], export: dict[str, object], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        parse_recipe({"name": "a", "kind": "ae", "layers": layers, "export": export})
