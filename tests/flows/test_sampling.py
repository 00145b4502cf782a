"""What a release of a real trained model says of drawing new rows, and what is drawn from it without torch."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import Float32
from scipy.spatial.distance import cdist
from typer.testing import CliRunner

from flows.release_commands import releases
from flows.steps.datasets import Dataset, PrepareSettings, prepare_dataset
from flows.steps.evaluation import Subject
from flows.steps.evaluation.samples import sample_metrics
from flows.steps.phases import PHASES_FILE, read_phases
from flows.steps.publishing import error_scale, export_step
from flows.steps.release_contents import Lineage, complete_release
from flows.steps.training import fine_tune_step, load_stack, preprocessing_of, pretrain_step, scale_dataset
from flows.steps.walk_export import export_walk
from models.chains import jacobian_step, walkback_step
from models.measures.sample_quality import sample_quality
from models.preprocessing import build_preprocessing
from models.recipe import Recipe, layer_corruption, parse_recipe
from models.stack import Stack, build_stack
from service.neighbours import ids_of
from service.release.home import Home
from service.release.store import ReleaseStore
from service.runtime import Runtime
from service.sampling import Plan, draw, run
from service.scoring import judge_scores, measure
from service.sessions import open_session, run_graph

Rows = Float32[np.ndarray, "rows ..."]

_TRAINING: dict[str, Any] = {"epochs": 10, "batch_size": 64, "optimiser": {"learning_rate": 3e-3}}
_SHARED: dict[str, Any] = {
    "layers": [40],
    "tied_weights": True,
    "loss": "binary_cross_entropy",
    "pretraining": _TRAINING,
    "fine_tuning": {"epochs": 0},
}


class Published:
    """A small model of digits, published without pictures, and its torch twin."""

    def __init__(self, folder: Path, **fields: Any) -> None:
        self.recipe: Recipe = parse_recipe({"name": "small", **_SHARED, **fields})
        self.dataset: Dataset = prepare_dataset(
            "digits", home=folder, data_folder=folder / "data", settings=PrepareSettings()
        )
        rows = scale_dataset(self.dataset, self.recipe, folder)
        layer, _ = pretrain_step(self.dataset, self.recipe, 0, rows, folder)
        trained, _ = fine_tune_step(self.dataset, self.recipe, rows, [layer], folder)
        exported = export_step(self.dataset, self.recipe, trained, folder)
        self.stack: Stack = load_stack(self.dataset, self.recipe, trained)
        self.home = Home(folder)
        store = ReleaseStore(self.home)
        with store.draft() as draft:
            shutil.copytree(exported, draft, dirs_exist_ok=True, ignore=shutil.ignore_patterns(PHASES_FILE))
            lineage = Lineage("small", "2026-01-01T00:00:00+00:00", None, None)
            scale, phases = error_scale(self.dataset, self.recipe), read_phases(exported)
            manifest = complete_release(draft, self.dataset, self.recipe, scale, lineage, phases)
            store.publish(draft, manifest)
        self.runtime = Runtime.load(store.folder("small"), store.manifest("small"), device="cpu")

    def drawn(self, method: Any, steps: int = 5) -> Rows:
        rows: Rows = run(self.runtime, draw(self.runtime, Plan(method, 200, steps, 1.0, 0))).x
        return rows

    def scaled(self, rows: Rows) -> torch.Tensor:
        scaled: torch.Tensor = preprocessing_of(self.dataset, self.recipe)(torch.from_numpy(rows.astype(np.float32)))
        return scaled

    def to_the_nearest_unseen(self, rows: Rows) -> float:
        """Mean distance to the nearest test row, in scaled units."""
        unseen = self.scaled(self.dataset.rows("test")[:])
        return float(cdist(self.scaled(rows).numpy(), unseen.numpy()).min(1).mean())

    def random_codes_decoded(self) -> Rows:
        latent = self.runtime.manifest.latent
        codes = np.random.default_rng(0).uniform(latent.minimum, latent.maximum, (200, len(latent.mean)))
        return self.runtime.decode(codes)


@pytest.fixture(scope="module")
def denoising(tmp_path_factory: pytest.TempPathFactory) -> Published:
    corruption = {"kind": "masking", "level": 0.25}
    return Published(tmp_path_factory.mktemp("dae"), kind="dae", corruption=corruption)


@pytest.fixture(scope="module")
def contractive(tmp_path_factory: pytest.TempPathFactory) -> Published:
    contraction = {"kind": "analytic", "weight": 0.1}
    return Published(tmp_path_factory.mktemp("cae"), kind="cae", contraction=contraction)


def test_a_release_says_how_its_contraction_penalty_was_computed(
    denoising: Published, contractive: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert denoising.runtime.manifest.contraction_forms == {}
    assert contractive.runtime.manifest.contraction_forms == {"layer_1": "closed"}
    # What had no epochs says nothing.
    assert contractive.runtime.manifest.precisions == {"layer_1": "float32"}
    monkeypatch.setenv("MANIFOLD_HOME", str(contractive.home.root))
    shown = CliRunner().invoke(releases, ["show", "small"])
    assert shown.exit_code == 0, shown.output
    assert "layer_1 closed" in shown.output


def test_a_release_says_which_methods_it_has_and_all_they_need(denoising: Published, contractive: Published) -> None:
    said = denoising.runtime.manifest.sampling
    assert said is not None
    assert said.walkback is not None
    assert (said.methods, said.default) == (("density", "walkback"), "density")
    assert (said.walkback.corruption, said.walkback.level) == ("masking", 0.25)
    assert (said.shift, denoising.runtime.manifest.input.scale) == ((0.0,), (16.0,))
    said = contractive.runtime.manifest.sampling
    assert said is not None
    assert (said.methods, said.default) == (("density", "jacobian_walk"), "jacobian_walk")
    assert "walk.onnx" in contractive.runtime.manifest.files
    assert "walk.onnx" not in denoising.runtime.manifest.files


def test_the_quantiles_are_those_of_the_training_codes_log_density(denoising: Published) -> None:
    said = denoising.runtime.manifest.sampling
    assert said is not None
    codes = denoising.runtime.encode(denoising.dataset.rows("train")[:])
    assert said.log_density_rows == len(codes)
    median = np.median(denoising.runtime.density.log_density(codes))
    assert said.log_density[len(said.log_density) // 2] == pytest.approx(median, rel=1e-3)


def test_a_release_is_calibrated_with_what_its_service_measures(denoising: Published) -> None:
    runtime = denoising.runtime
    train, validation = (denoising.dataset.rows(split)[:].astype(np.float32) for split in ("train", "validation"))
    measured = measure(runtime, validation)
    said = runtime.manifest.calibration
    assert said.rows == len(validation)
    for values, quantiles in zip(measured.T, (said.reconstruction_error, said.latent_distance), strict=True):
        assert np.allclose(np.quantile(values, np.linspace(0, 1, 201)), quantiles, rtol=1e-4)
    codes = runtime.encode(train).astype(np.float64)
    apart = runtime.encode(validation) - codes.mean(0)
    exact = np.sqrt(np.einsum("nc,cd,nd->n", apart, np.linalg.pinv(np.cov(codes, rowvar=False)), apart))
    assert np.allclose(measured[:, 1], exact, rtol=0.02)
    # Of 201 quantiles and the values that they are of: each share comes back.
    p = judge_scores(measured, said).latent_p
    assert np.allclose(np.sort(p), np.arange(1, len(p) + 1) / (len(p) + 1), atol=0.01)


def test_the_neighbours_of_a_training_row_are_itself_and_its_like(denoising: Published) -> None:
    runtime = denoising.runtime
    assert runtime.known_codes is not None
    assert runtime.reference is not None
    found = runtime.known_codes.nearest(runtime.encode(runtime.reference[:20]), 3)
    ids = ids_of(found)
    assert ids[:, 0].tolist() == list(range(20))
    assert np.allclose(found[:, 0, 1], 0, atol=1e-4)
    names = runtime.known_codes.names_of(ids)
    assert names is not None
    assert np.mean([row[0] == row[1] for row in names]) > 0.8


def test_a_walkback_without_torch_is_torchs(denoising: Published) -> None:
    start = denoising.scaled(denoising.dataset.rows("train")[:])
    generator = torch.Generator().manual_seed(0)
    x = start[torch.randperm(len(start), generator=generator)[:200]]
    with torch.no_grad():
        for _ in range(3):
            x = walkback_step(denoising.stack, x, layer_corruption(denoising.recipe, 0), generator).x
    drawn = denoising.drawn("walkback", steps=3)
    # Another generator, the same distribution: means and deviations of pixels from 0 to 1.
    found = denoising.scaled(drawn).numpy()
    assert np.abs(found.mean(0) - x.numpy().mean(0)).max() < 0.1
    assert np.abs(found.std(0) - x.numpy().std(0)).max() < 0.1
    unseen = denoising.to_the_nearest_unseen(drawn)
    assert unseen < 0.93 * denoising.to_the_nearest_unseen(denoising.random_codes_decoded())


def test_the_exported_walk_is_torchs_and_its_steps_are_as_long_as_was_said(contractive: Published) -> None:
    rows = contractive.dataset.rows("train")[:300].astype(np.float32)
    said = contractive.runtime.manifest.sampling
    assert said is not None
    assert said.jacobian_walk is not None
    noise = np.random.default_rng(1).standard_normal((300, 40)).astype(np.float32) * said.jacobian_walk.sigma
    next_rows, z = contractive.runtime.walk(rows, noise)
    with torch.no_grad():
        expected = jacobian_step(contractive.stack, contractive.scaled(rows), torch.from_numpy(noise))
    assert np.allclose(z, expected.z, atol=1e-4)
    assert np.allclose(contractive.scaled(next_rows), expected.x, atol=1e-4)
    codes = contractive.runtime.encode(rows)
    step = np.sqrt(np.square(z - codes).sum(1).mean())
    spread = np.sqrt(np.square(codes - codes.mean(0)).sum(1).mean())
    assert step / spread == pytest.approx(0.3, rel=0.1)


def test_a_walk_stays_near_the_data_and_leaves_its_start(contractive: Published) -> None:
    drawn = contractive.drawn("jacobian_walk")
    unseen = contractive.to_the_nearest_unseen(drawn)
    assert unseen < 0.85 * contractive.to_the_nearest_unseen(contractive.random_codes_decoded())
    known = contractive.scaled(contractive.dataset.rows("train")[:]).numpy()
    assert cdist(contractive.scaled(drawn).numpy(), known).min(1).min() > 0.3


@pytest.mark.parametrize(
    ("name", "method", "said"),
    [
        ("denoising", "density", "samples by density; "),
        ("contractive", "jacobian_walk", "samples by jacobian_walk, 5 steps from training rows; "),
    ],
)
def test_samples_are_judged_as_the_service_draws_them(
    request: pytest.FixtureRequest, name: str, method: Any, said: str
) -> None:
    release: Published = request.getfixturevalue(name)
    subject = Subject(
        release.runtime,
        release.dataset,
        release.recipe,
        preprocessing_of(release.dataset, release.recipe),
        release.stack,
    )
    figures = {figure.name: figure for figure in sample_metrics(subject)}
    rows = figures["sample_precision"].rows
    drawn = run(release.runtime, draw(release.runtime, Plan(method, rows, 5, 1.0, 0))).x
    expected = sample_quality(subject.flat(subject.rows("test", rows)), subject.flat(drawn))
    found = tuple(figures[f"sample_{figure}"].value for figure in ("precision", "recall", "coverage", "density"))
    assert found == (expected.precision, expected.recall, expected.coverage, float(expected.within.mean()))
    assert figures["sample_density"].interval is not None
    for figure in ("precision", "recall", "density", "coverage"):
        assert (figures[f"sample_{figure}"].method or "").startswith(said)
        assert (figures[f"sample_{figure}_of_rows"].method or "").startswith("validation rows as samples; ")


def test_the_walk_of_a_convolutional_stack_is_exported_exactly(tmp_path: Path) -> None:
    layer = {"kind": "convolution", "channels": 3, "kernel_size": 3, "stride": 2, "up": "resize"}
    recipe = parse_recipe(
        {
            "name": "small",
            "kind": "cae",
            "layers": [layer, 5],
            "contraction": {"kind": "analytic", "weight": 0.1},
            "activation": "relu",
            "code_activation": "tanh",
        }
    )
    shape = (7, 6, 3)
    stack = build_stack(recipe, shape).eval()
    bounds = {"minimum": [0.0], "maximum": [255.0], "mean": [0.0], "standard_deviation": [1.0]}
    preprocessing = build_preprocessing(recipe, shape, **bounds)
    rows = np.random.default_rng(0).uniform(0, 255, (9, *shape)).astype(np.float32)
    export_walk(preprocessing, stack, rows, tmp_path)
    noise = np.random.default_rng(1).standard_normal((9, 5)).astype(np.float32)
    session = open_session(tmp_path / "walk.onnx", "cpu", 1)
    (z,) = run_graph(session, {"x": rows, "noise": noise}, ("z",))
    x = preprocessing(torch.from_numpy(rows))
    jacobians = torch.stack([torch.func.jacrev(lambda row: stack.encode(row[None])[0])(row) for row in x]).flatten(2)
    moved = torch.einsum("ncf,ndf,nd->nc", jacobians, jacobians, torch.from_numpy(noise))
    assert np.allclose(z, (stack.encode(x) + moved).detach(), atol=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["walk.onnx"]
