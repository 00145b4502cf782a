"""What the pictures of a report show is what the release and the short trainings hold: found here once more."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from flows.steps.datasets import Split, open_dataset
from flows.steps.figures import Look, curve_figure, filter_figure, map_figure, spectrum_figure
from flows.steps.figures.filters import filter_tiles
from flows.steps.figures.tiles import Tiles
from flows.steps.report.comparison import errors_by_depth, probe_error
from flows.steps.report.comparison_pictures import depth_panel, error_panels
from flows.steps.report.first_layers import Sample, sample_of, train_first_layers
from flows.steps.report.new_rows import new_rows
from flows.steps.report.release_data import ReleaseData
from service.release.integrity import verify_release
from service.sampling import default_plan, draw, run
from tests.flows.drawn import SIDE, Reported, champion, pixels, place_of, reference, small, tiles_in

_LEVELS = {"AE": 0.0, "DAE 10%": 0.1, "DAE 20%": 0.2, "DAE 50%": 0.5}
_SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@pytest.fixture(scope="module")
def release(reported: Reported) -> ReleaseData:
    folder = champion(reported.home)
    return ReleaseData.load(folder, verify_release(folder))


@pytest.fixture(scope="module")
def sample(reported: Reported, release: ReleaseData) -> Sample:
    dataset = open_dataset(reported.home / "datasets" / release.manifest.data.fingerprint)
    return sample_of(dataset, reported.home, "range")


@pytest.fixture(scope="module")
def trained(reported: Reported, sample: Sample) -> dict[str, dict[str, np.ndarray]]:
    """The weights that the report compared, by name; none is trained anew."""
    notes: list[str] = []
    layers = train_first_layers(sample, "range", reported.home, lambda *told: notes.append(str(told[3])))
    weights = {name: load_file(folder / "weights.safetensors") for name, folder in layers}
    assert notes == ["finished before, used as it is"] * 5
    return weights


def code(layer: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    h: np.ndarray = 1 / (1 + np.exp(-(x @ layer["weight"].T + layer["encoder_bias"])))
    return h


def rebuilt(layer: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    again: np.ndarray = 1 / (1 + np.exp(-(code(layer, x) @ layer["weight"] + layer["decoder_bias"])))
    return again


def test_random_pixels_random_codes_and_samples_stand_side_by_side(reported: Reported, release: ReleaseData) -> None:
    made, stated = new_rows(release, 16), release.manifest
    assert stated.input.minimum <= made.noise.min() < made.noise.max() <= stated.input.maximum
    spread = stated.input.maximum - stated.input.minimum
    # 1,024 uniform pixels.
    assert made.noise.std() == pytest.approx(spread / np.sqrt(12), rel=0.1)
    low, high = np.array(stated.latent.minimum), np.array(stated.latent.maximum)
    assert ((low - 1e-4 <= made.codes) & (made.codes <= high + 1e-4)).all()
    assert ((made.codes - low) / (high - low)).std() == pytest.approx(1 / np.sqrt(12), rel=0.2)
    drawn = run(release.runtime, draw(release.runtime, default_plan(stated, 16, stated.seed))).x
    picture = pixels(reported.folder / "generation.png")
    corners = tiles_in(picture, SIDE)
    # A tile of noise with a white pixel is not found: the places are those of its neighbours.
    tops, lefts = (sorted({corner[axis] for corner in corners}) for axis in (0, 1))
    assert (len(tops), len(lefts)) == (4, 12)
    for panel, rows in enumerate((made.noise, release.runtime.decode(made.codes), drawn)):
        shown = [small(picture, (top, left)) for top in tops for left in lefts[4 * panel : 4 * panel + 4]]
        assert np.abs(np.stack(shown) - rows).max() <= 0.51


def test_the_map_is_that_of_the_reference_rows_and_says_how_much_of_the_codes_it_shows(reported: Reported) -> None:
    known = reference(reported.home)
    share = known["map"].var(0).sum() / known["codes"].var(0).sum()
    rows, size = known["codes"].shape
    title = f"Map of {rows} training rows: the codes' principal plane, {share:.0%} of the variance of {size} code units"
    assert 0.1 < share < 1
    tiles = Look.of_images(0.0, 255.0).tiles(known["rows"])
    again = map_figure(known["map"], known["labels"], ("cat", "dog"), tiles, title)
    assert (reported.folder / "map.png").read_bytes() == again


def test_filters_are_the_first_layers_weights_the_largest_first(reported: Reported) -> None:
    weight = load_file(champion(reported.home) / "weights.safetensors")["_pairs.0.weight"]
    assert weight.shape == (32, 64)
    order = np.argsort(-np.linalg.norm(weight, axis=1))
    again = filter_figure(weight[order].reshape(-1, 8, 8), 32)
    assert (reported.folder / "filters.png").read_bytes() == again


def test_neurons_a_and_b_are_the_two_units_that_corruption_spreads_most(
    reported: Reported, trained: dict[str, dict[str, np.ndarray]]
) -> None:
    weights = {level: trained[name]["weight"].astype(np.float64) for name, level in _LEVELS.items()}
    size = {level: np.square(each).sum(1) ** 2 / (each**4).sum(1) for level, each in weights.items()}
    first, second = np.argsort(size[0.0] / size[0.5])[:2]
    picture, places = pixels(reported.folder / "filters-by-level.png"), []
    for unit in (first, second):
        one = np.stack([each[unit].reshape(8, 8) for each in weights.values()])
        places.append(place_of(picture, Tiles("", filter_tiles(one), 4, side=112).canvas()))
    assert places[0][0] == places[1][0]
    assert places[0][1] < places[1][1]
    strongest = np.argsort(-sum(np.square(each).sum(1) for each in weights.values()))[:32]
    tops = [
        place_of(picture, Tiles("", filter_tiles(each[strongest].reshape(-1, 8, 8)), 16, side=58).canvas())[0]
        for each in weights.values()
    ]
    assert tops == sorted(tops)
    assert tops[-1] < places[0][0]


def test_spectra_are_the_singular_values_of_the_encoders_jacobians(
    reported: Reported, sample: Sample, trained: dict[str, dict[str, np.ndarray]]
) -> None:
    (measured,) = (reported.home / "training").glob("measured-*")
    rows = np.asarray(sample.rows("test"))[:100]
    spectra = {}
    for name in ("AE", "DAE 20%", "DAE 50%", "CAE"):
        h = code(trained[name], rows.astype(np.float64))
        jacobians = (h * (1 - h))[:, :, None] * trained[name]["weight"]
        expected = np.linalg.svd(jacobians, compute_uv=False).mean(0)
        spectra[name] = np.load(measured / f"spectrum-{name}.npy")
        np.testing.assert_allclose(spectra[name], expected, rtol=1e-4, atol=1e-6)
    assert (reported.folder / "spectra.png").read_bytes() == spectrum_figure(spectra, len(rows), "test")


def test_errors_by_level_are_those_of_clean_and_of_masked_rows_and_of_a_probe(
    reported: Reported, sample: Sample, trained: dict[str, dict[str, np.ndarray]]
) -> None:
    (measured,) = (reported.home / "training").glob("measured-*")
    errors = json.loads((measured / "errors.json").read_text())
    x = np.asarray(sample.rows("test"))
    kept = np.random.default_rng(0).random(x.shape) >= 0.25
    assert list(errors) == [*_LEVELS, "CAE"]
    for name, layer in trained.items():
        for key, seen in (("clean", x), ("masked", x * kept)):
            mean, low, high = errors[name][key]
            each = np.square(rebuilt(layer, seen) - x).sum(1)
            assert mean == pytest.approx(each.mean(), rel=1e-4)
            # A bootstrap's interval of a mean: about two standard errors to either side.
            assert (high - low) / 2 == pytest.approx(1.96 * each.std() / np.sqrt(len(x)), rel=0.25)
        sides = [
            (code(layer, np.asarray(sample.rows(split))), labels)
            for split in _SPLITS
            if (labels := sample.labels(split)) is not None
        ]
        assert errors[name]["probe"] == pytest.approx(probe_error(*sides), abs=1.5 / len(x))
    panels = error_panels(errors, len(x))
    curves = {(panel.measure, curve.name): curve.points for panel in panels for curve in panel.curves}
    for (measure, name), points in curves.items():
        key, factor = ("probe", 100) if "label" in measure else ("masked" if "masked" in name else "clean", 1)
        wanted = [(100 * level, *(factor * value for value in errors[n][key])) for n, level in _LEVELS.items()]
        assert [(p.at, p.mean, p.low, p.high) for p in points] == [pytest.approx(point) for point in wanted]
    assert len(curves) == 3
    again = curve_figure("Error by corruption level, with 95 % intervals over test rows", panels)
    assert (reported.folder / "errors-by-level.png").read_bytes() == again


def test_errors_by_depth_are_drawn_in_percent_from_the_pixels_to_the_code(
    reported: Reported, sample: Sample, release: ReleaseData
) -> None:
    found = errors_by_depth(release, sample.dataset, reported.home)
    assert found is not None
    points, rows = found
    panel = depth_panel(points, "pixels", [32, 8], rows["test"])
    (curve,) = panel.curves
    assert [point.at for point in curve.points] == [0, 1, 2]
    assert [p.mean for p in curve.points] == pytest.approx([100 * p.mean for p in points])
    assert [p.low for p in curve.points] == pytest.approx([100 * p.low for p in points])
    assert [p.high for p in curve.points] == pytest.approx([100 * p.high for p in points])
    assert panel.ticks == ((0.0, "pixels"), (1.0, "layer 1\n(32)"), (2.0, "layer 2\n(8)"))
    again = curve_figure("Error by depth of this release, with 95 % intervals over test rows", [panel])
    assert (reported.folder / "errors-by-depth.png").read_bytes() == again
