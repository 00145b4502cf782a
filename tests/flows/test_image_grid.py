"""Grids of images, whatever their channels."""

from __future__ import annotations

import numpy as np
import pytest

from flows.steps.image_grid import image_grid


@pytest.mark.parametrize(("channels", "drawn"), [((), ()), ((3,), (3,)), ((2,), ()), ((4,), (3,))])
def test_a_grid_is_grey_or_rgb_whatever_is_drawn(channels: tuple[int, ...], drawn: tuple[int, ...]) -> None:
    images = np.full((3, 2, 1, *channels), 0.5, np.float32)
    grid = image_grid(images, 2, (0.0, 1.0))
    assert grid.shape == (7, 5, *drawn)
    # Half grey at half opacity is three quarters white.
    assert (grid[1:3, 1] == (191 if channels in {(2,), (4,)} else 128)).all()
    assert not grid[4:6, 3].any()
