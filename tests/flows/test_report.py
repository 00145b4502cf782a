"""`manifold report`: pictures that show what they say, on a page that needs nothing else."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import httpx
import numpy as np

from flows.figure_lines import curve_line, metric_value
from service.release.home import Home
from service.release.integrity import verify_release
from service.release.manifest import Curve, Metric
from service.release.store import ReleaseStore
from service.runtime import Runtime
from tests.conftest import SMALL, Manifold
from tests.flows.drawn import SIDE, Page, Reported, champion, pixels, pixels_of_bytes, reference, small, tiles_in

_FROM_THE_RELEASE = ("reconstructions", "filters", "map", "neighbours", "lines", "generation")
_BY_TRAINING = ("filters-by-level", "errors-by-level", "errors-by-depth", "spectra")


def is_framed(picture: np.ndarray, corner: tuple[int, int]) -> bool:
    return tuple(picture[corner[0] - 2, corner[1] + 10].tolist()) == (208, 32, 48)


def row_shown(rows: np.ndarray, picture: np.ndarray, corner: tuple[int, int]) -> int:
    """The one reference row that a tile shows."""
    (found,) = np.flatnonzero((rows == small(picture, corner)).all((1, 2)))
    return int(found)


def test_an_interrupted_report_goes_on_from_what_was_trained(reported: Reported) -> None:
    assert "comparison: AE: finished before" in reported.stdout
    assert "comparison: CAE: loss" in reported.stdout
    assert sorted(path.name for path in reported.folder.parent.iterdir()) == ["home", "pictures"]


def test_the_page_holds_all_its_pictures_and_asks_nobody_for_anything(reported: Reported) -> None:
    page = Page(reported.folder / "report.html")
    images = page.all("img")
    embedded = {base64.b64decode((image["src"] or "").removeprefix("data:image/png;base64,")) for image in images}
    beside = {path.stem: path.read_bytes() for path in reported.folder.glob("*.png")}
    assert embedded == set(beside.values())
    assert set(beside) == {*_FROM_THE_RELEASE, *_BY_TRAINING}
    assert all(len(image["alt"] or "") > 20 for image in images)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.elements}
    values = [value or "" for _, attributes in page.elements for value in attributes.values()]
    assert not [value for value in values if "//" in value and not value.startswith("data:image/png")]
    assert len(page.all("figcaption")) == len(images) == 10
    assert champion(reported.home).name in page.text


def test_the_page_gives_each_figure_and_each_point_of_a_curve_its_interval_and_says_how_they_were_found(
    reported: Reported,
) -> None:
    page, manifest = Page(reported.folder / "report.html"), verify_release(champion(reported.home))
    text = " ".join(page.text.split())
    assert manifest.curves
    figures: list[Metric | Curve] = [*manifest.metrics, *manifest.curves]
    for figure in figures:
        assert figure.method
        sure = "" if figure.confidence is None else "95 % interval; "
        assert f"{sure}{figure.method}" in text, figure.name
    for metric in manifest.metrics:
        assert f"{metric_value(metric)} {metric.unit} {metric.split} {metric.rows:,}" in text, metric.name
    for curve in manifest.curves:
        assert curve.low is not None
        assert curve.high is not None
        assert f"{curve.unit}; {curve.split}, n = {curve.rows}" in text
        points = zip(curve.at, curve.values, curve.low, curve.high, strict=True)
        assert all(f"{at:.4g}{value:.4g} [{low:.4g}, {high:.4g}]" in text for at, value, low, high in points)


def test_each_picture_can_be_read_at_a_glance(reported: Reported) -> None:
    for path in reported.folder.glob("*.png"):
        picture = pixels(path)
        assert 500 < picture.shape[1] < 2000, path
        assert picture.std() > 10, path


def test_a_line_in_pixels_starts_and_ends_in_two_rows_and_the_line_in_the_code_in_their_reconstructions(
    reported: Reported,
) -> None:
    picture, known = pixels(reported.folder / "lines.png"), reference(reported.home)
    corners = tiles_in(picture, SIDE)
    assert len(corners) == 3 * 2 * 11
    runtime = Runtime.load(champion(reported.home), verify_release(champion(reported.home)), device="cpu")
    for start in range(0, len(corners), 22):
        line, decoded = corners[start : start + 11], corners[start + 11 : start + 22]
        first, last = (row_shown(known["rows"], picture, corner) for corner in (line[0], line[-1]))
        assert known["labels"][first] != known["labels"][last]
        ends = known["rows"][[first, last]].astype(np.float32)
        assert np.array_equal(small(picture, line[5]), np.rint(ends.mean(0)))
        rebuilt = runtime.reconstruct(ends)
        for corner, expected in zip((decoded[0], decoded[-1]), rebuilt, strict=True):
            assert np.abs(small(picture, corner) - expected).max() < 1
        middle = runtime.decode(runtime.encode(ends).mean(0, keepdims=True))[0]
        assert np.abs(small(picture, decoded[5]) - middle).max() < 1


def test_neighbours_are_the_true_nearest_and_those_of_another_label_are_framed(reported: Reported) -> None:
    picture, known = pixels(reported.folder / "neighbours.png"), reference(reported.home)
    corners = tiles_in(picture, SIDE)
    assert len(corners) == 10 * 11
    # Tiles with a frame are found a little higher: row by row again.
    corners.sort(key=lambda corner: (round(corner[0] / 50), corner[1]))
    rows, labels = known["rows"], known["labels"]
    spaces = rows.reshape(len(rows), -1).astype(np.float64), known["codes"].astype(np.float64)
    framed = 0
    for start in range(0, len(corners), 11):
        query, *others = corners[start : start + 11]
        asked = row_shown(rows, picture, query)
        shown = [row_shown(rows, picture, corner) for corner in others]
        for space, found in zip(spaces, (shown[:5], shown[5:]), strict=True):
            distances = np.linalg.norm(space - space[asked], axis=1)
            distances[asked] = np.inf
            np.testing.assert_allclose(distances[found], np.sort(distances)[:5], rtol=1e-4)
        for corner, other in zip(others, shown, strict=True):
            assert is_framed(picture, corner) == bool(labels[other] != labels[asked])
            framed += is_framed(picture, corner)
    assert {int(label) for label in labels[[row_shown(rows, picture, c) for c in corners[::11]]]} == {0, 1}


def test_reconstructions_stand_below_their_originals(reported: Reported) -> None:
    folder = champion(reported.home)
    picture = pixels(reported.folder / "reconstructions.png")
    corners = tiles_in(picture, SIDE)
    originals, rebuilt = np.load(folder / "golden" / "x.npy"), np.load(folder / "golden" / "reconstruction.npy")
    assert len(corners) == 3 * len(originals)
    for number, (original, again) in enumerate(zip(originals, rebuilt, strict=True)):
        assert np.array_equal(small(picture, corners[number]), original)
        assert np.abs(small(picture, corners[len(originals) + number]) - again).max() < 1


def test_a_second_report_trains_nothing_and_draws_the_same(manifold: Manifold, reported: Reported) -> None:
    before = {path.name: path.read_bytes() for path in reported.folder.iterdir()}
    again = manifold("report", "champion", "-o", str(reported.folder), home=reported.home)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("finished before") == 5
    assert "loss" not in again.stdout
    assert {path.name: path.read_bytes() for path in reported.folder.iterdir()} == before


def test_an_unknown_release_is_refused_by_those_there_are(
    manifold: Manifold, trained_home: Path, tmp_path: Path
) -> None:
    (version,) = ReleaseStore(Home(trained_home)).versions()
    result = manifold("report", "20200101", "-o", str(tmp_path / "out"), home=trained_home)
    assert result.returncode == 1
    assert version in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_the_flow_run_shows_the_pictures_of_its_release(trained_home: Path, prefect_api: str) -> None:
    folder = champion(trained_home)
    shown = attached(prefect_api, folder, "pictures")
    assert len(shown) < 2_000_000
    addresses = [part.split(")")[0] for part in shown.split("](data:image/png;base64,")[1:]]
    assert len(addresses) == len(_FROM_THE_RELEASE)
    for address, name in zip(addresses, _FROM_THE_RELEASE, strict=True):
        again = pixels_of_bytes(base64.b64decode(address))
        published = pixels(folder / "figures" / f"{name}.png")
        # In fewer colours, the same picture.
        assert np.abs(again.astype(int) - published).mean() < 4


def test_the_flow_run_gives_each_figure_its_interval_and_each_curve_its_band(
    trained_home: Path, prefect_api: str
) -> None:
    folder = champion(trained_home)
    shown, manifest = attached(prefect_api, folder, "release"), verify_release(folder)
    for metric in manifest.metrics:
        row = f"| {metric.name} | {metric_value(metric)} | {metric.unit} | {metric.split} | {metric.rows} "
        assert f"{row}| {metric.method} |" in shown
    for curve in manifest.curves:
        assert curve.low is not None
        assert f"{curve.name} {curve_line(curve)}" in shown
        assert f"[{curve.low[0]:.3g}, " in curve_line(curve)


def test_with_comparisons_the_flow_run_shows_all_ten_pictures(
    manifold: Manifold, reported: Reported, photos: Path, prefect_api: str, tmp_path: Path
) -> None:
    home = Path(shutil.copytree(reported.home, tmp_path / "home"))
    # The report has trained what is compared already.
    result = manifold("train", "--source", str(photos), *SMALL, "--comparisons", home=home)
    assert result.returncode == 0, result.stdout + result.stderr
    assert champion(home).name != champion(reported.home).name
    shown = attached(prefect_api, champion(home), "pictures")
    assert shown.count("](data:image/png;base64,") == len(_FROM_THE_RELEASE) + len(_BY_TRAINING) == 10


def attached(prefect_api: str, folder: Path, key: str) -> str:
    """The text of the artifact that the flow run of a release left."""
    asked = {"artifacts": {"key": {"any_": [key]}, "flow_run_id": {"any_": [verify_release(folder).flow_run]}}}
    (artifact,) = httpx.post(f"{prefect_api}/artifacts/filter", json=asked).json()
    assert artifact["type"] == "markdown"
    return str(artifact["data"])
