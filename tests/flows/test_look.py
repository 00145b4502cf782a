"""Rows as small images, whatever their channels."""

from __future__ import annotations

import numpy as np
import pytest

from flows.steps.figures import filter_figure
from flows.steps.figures.filters import filter_tiles
from flows.steps.figures.look import Look


@pytest.mark.parametrize(("channels", "drawn"), [((), ()), ((3,), (3,)), ((2,), ()), ((4,), (3,))])
def test_tiles_are_grey_or_rgb_whatever_is_drawn(channels: tuple[int, ...], drawn: tuple[int, ...]) -> None:
    tiles = Look.of_images(0.0, 1.0).tiles(np.full((3, 2, 1, *channels), 0.5, np.float32))
    assert tiles.shape == (3, 2, 1, *drawn)
    # Half grey at half opacity is three quarters white.
    assert (tiles == (191 if channels in {(2,), (4,)} else 128)).all()


@pytest.mark.parametrize(("channels", "drawn"), [((), ()), ((1,), ()), ((2,), ()), ((3,), (3,)), ((4,), (3,))])
def test_filters_are_drawn_by_the_weights_of_colours_alone(channels: tuple[int, ...], drawn: tuple[int, ...]) -> None:
    weights = np.random.default_rng(0).normal(size=(4, 8, 8, *channels))
    if channels in {(2,), (4,)}:
        weights[..., -1] = 1_000
    tiles = filter_tiles(weights)
    assert tiles.shape == (4, 8, 8, *drawn)
    assert (tiles.reshape(4, -1).std(1) > 10).all()
    assert filter_figure(weights, 4).startswith(b"\x89PNG")


@pytest.mark.parametrize("shape", [(3, 2, 500), (3, 500, 2)])
def test_a_thin_image_keeps_its_pixels_across(shape: tuple[int, ...]) -> None:
    tiles = Look.of_images(0.0, 1.0).tiles(np.ones(shape, np.float32))
    assert sorted(tiles.shape[1:]) == [1, 100]
    assert (tiles == 255).all()
