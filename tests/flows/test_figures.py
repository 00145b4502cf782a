"""Pictures show what they are given: the drawn points, curves and tiles, read back."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.collections import Collection, PathCollection
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from flows.steps.figures import Curve, Panel, Point, filter_figure, filters_by_level_figure
from flows.steps.figures.curves import curve_drawing
from flows.steps.figures.filters import filter_tiles, weight_map_drawing
from flows.steps.figures.manifold_map import map_drawing
from flows.steps.figures.sheet import draw_sheet
from flows.steps.figures.spectra import spectrum_drawing
from flows.steps.figures.tiles import Tiles
from tests.flows.drawn import pixels, place_of


def axes_of(figure: Figure) -> mpl.axes.Axes:
    return figure.axes[0]


def colour_of(drawn: Collection) -> tuple[float, ...]:
    """Red, green, blue of what is drawn in one colour."""
    return tuple(np.asarray(drawn.get_facecolor())[0, :3].tolist())


def test_a_map_has_each_row_at_its_point_in_its_labels_colour() -> None:
    generator = np.random.default_rng(0)
    points, labels = generator.normal(size=(60, 2)).astype(np.float32), generator.integers(0, 3, 60)
    axes = axes_of(map_drawing(points, labels, ("one", "two", "three"), None, "title"))
    scatters = [drawn for drawn in axes.collections if isinstance(drawn, PathCollection)]
    named = {str(drawn.get_label()): drawn for drawn in scatters}
    assert list(named) == ["one", "two", "three"]
    for label, drawn in enumerate(named.values()):
        assert np.array_equal(np.asarray(drawn.get_offsets()), points[labels == label])
    assert len({colour_of(drawn) for drawn in scatters}) == 3
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["one", "two", "three"]
    (alone,) = axes_of(map_drawing(points, None, None, None, "title")).collections
    assert np.array_equal(np.asarray(alone.get_offsets()), points)


def test_a_thumbnail_on_a_map_is_the_row_at_whose_point_it_stands() -> None:
    generator = np.random.default_rng(0)
    points = generator.uniform(size=(400, 2)).astype(np.float32)
    tiles = np.arange(400, dtype=np.uint16)[:, None, None].view(np.uint8).reshape(400, 1, 2)
    labels = np.arange(400) % 2
    axes = axes_of(map_drawing(points, labels, ("even", "odd"), tiles, "title"))
    stamps = [drawn for drawn in axes.artists if isinstance(drawn, AnnotationBbox)]
    # One in each of the 12 x 12 squares of the plane that has rows.
    squares = np.minimum((points - points.min(0)) / np.ptp(points, axis=0) * 12, 11).astype(int)
    assert len(stamps) == len(np.unique(squares, axis=0))
    colours = {str(drawn.get_label()): colour_of(drawn) for drawn in axes.collections}
    for stamp in stamps:
        assert isinstance(stamp.offsetbox, OffsetImage)
        shown = np.asarray(stamp.offsetbox.get_data())
        row = int(np.ascontiguousarray(shown[0, :, 0]).view(np.uint16)[0])
        assert stamp.xy == pytest.approx(tuple(points[row]))
        assert stamp.patch.get_edgecolor()[:3] == pytest.approx(colours["odd" if row % 2 else "even"])


def test_a_curve_stands_at_its_means_between_its_intervals() -> None:
    points = (Point(0.0, 3.0, 2.0, 5.0), Point(20.0, 1.0, 0.5, 1.25))
    panel = Panel("title", "along", "measure", (Curve("first", points), Curve("second", points[:1])))
    axes = axes_of(curve_drawing("all", [panel]))
    assert axes.get_xlabel() == "along"
    assert axes.get_ylabel() == "measure"
    first, second = axes.containers
    assert isinstance(first, ErrorbarContainer)
    line, _, (bars,) = first.lines
    assert np.asarray(line.get_xydata()).tolist() == [[0, 3], [20, 1]]
    assert np.asarray(bars.get_segments()).tolist() == [[[0, 2], [0, 5]], [[20, 0.5], [20, 1.25]]]
    assert (first.get_label(), second.get_label()) == ("first", "second")
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["first", "second"]


def test_a_spectrum_is_a_line_of_its_values_under_its_models_name() -> None:
    spectra = {"AE": np.array([4.0, 2.0, 1.0]), "CAE": np.array([1.0, 0.1, 1e-3])}
    axes = axes_of(spectrum_drawing(spectra, 7, "test"))
    assert axes.get_yscale() == "log"
    assert {str(line.get_label()): np.asarray(line.get_xydata()).tolist() for line in axes.get_lines()} == {
        name: [[place, value] for place, value in enumerate(values, start=1)] for name, values in spectra.items()
    }
    assert "7 test rows" in axes.get_title(loc="left")


def test_a_filter_is_grey_where_it_is_0_and_as_bright_as_its_weight() -> None:
    weights = np.array([[[0.0, 2.0], [-2.0, 1.0]], [[0.0, 0.002], [-0.001, 0.0]]], np.float32)
    # Each by its own largest weight; 127.5 lies between two greys.
    assert filter_tiles(weights).tolist() == [[[128, 255], [0, 191]], [[128, 255], [64, 128]]]


def test_a_weight_map_has_a_column_a_unit_and_a_row_a_feature() -> None:
    weights = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    axes = axes_of(weight_map_drawing(weights, ("a", "b", "c", "d"), 9))
    (drawn,) = axes.get_images()
    np.testing.assert_array_equal(drawn.get_array(), weights.T)
    assert drawn.get_clim() == pytest.approx((-np.abs(weights).max(), np.abs(weights).max()))
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "c", "d"]


def test_a_sheet_shows_its_panels_pixel_by_pixel_where_they_belong(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    above, left, right = (
        Tiles(name, generator.integers(0, 256, (4, 3, 3)).astype(np.uint8), 2) for name in ("above", "left", "right")
    )
    (tmp_path / "sheet.png").write_bytes(draw_sheet("title", [[above], [left, right]]))
    picture = pixels(tmp_path / "sheet.png")
    (first, start), (second, beside), (third, apart) = (
        place_of(picture, panel.canvas()) for panel in (above, left, right)
    )
    assert first + above.canvas().shape[0] < second == third
    assert start == beside < apart - left.canvas().shape[1]


def test_neurons_are_the_same_units_at_each_level(tmp_path: Path) -> None:
    generator, levels = np.random.default_rng(0), (0.0, 0.1, 0.2, 0.5)
    weights = {level: generator.normal(size=(20, 8, 8)) for level in levels}
    neurons = {level: each[[3, 17]] for level, each in weights.items()}
    (tmp_path / "levels.png").write_bytes(filters_by_level_figure(weights, neurons, "few rows"))
    picture = pixels(tmp_path / "levels.png")
    places = []
    for unit in (3, 17):
        shown = filter_tiles(np.stack([weights[level][unit] for level in levels]))
        # Without the captions below them.
        places.append(place_of(picture, Tiles("", shown, 4, side=112).canvas()))
    assert places[0][0] == places[1][0]
    assert places[0][1] < places[1][1]
    down = [place_of(picture, Tiles("", filter_tiles(weights[level]), 16, side=58).canvas()) for level in levels]
    assert down == sorted(down)
    assert down[-1] < places[0]


def test_filters_stand_in_the_order_given(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).normal(size=(20, 8, 8))
    (tmp_path / "filters.png").write_bytes(filter_figure(weights, 30))
    place_of(pixels(tmp_path / "filters.png"), Tiles("", filter_tiles(weights), 16, side=58).canvas())
