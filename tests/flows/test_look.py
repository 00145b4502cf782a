"""Rows as small images, whatever their channels."""

from __future__ import annotations

import numpy as np
import pytest

from flows.steps.figures.look import Look


@pytest.mark.parametrize(("channels", "drawn"), [((), ()), ((3,), (3,)), ((2,), ()), ((4,), (3,))])
def test_tiles_are_grey_or_rgb_whatever_is_drawn(channels: tuple[int, ...], drawn: tuple[int, ...]) -> None:
    tiles = Look.of_images(0.0, 1.0).tiles(np.full((3, 2, 1, *channels), 0.5, np.float32))
    assert tiles.shape == (3, 2, 1, *drawn)
    # Half grey at half opacity is three quarters white.
    assert (tiles == (191 if channels in {(2,), (4,)} else 128)).all()
