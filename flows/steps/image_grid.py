"""Many small images as one."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float32, UInt8


def image_grid(
    images: Float32[np.ndarray, "batch height width *colour"], columns: int, value_range: tuple[float, float]
) -> UInt8[np.ndarray, "..."]:
    """Rows of images, `columns` to a row, one pixel apart, the last row filled with black; grey or RGB.

    Args:
        images: (batch, height, width) or (batch, height, width, channels); 2 channels are grey and opacity,
            4 are RGB and opacity: what is transparent is laid over white.
        columns: images in a row.
        value_range: what is drawn black and what white; beyond is clipped.
    """
    count, height, width = images.shape[:3]
    lines = math.ceil(count / columns)
    low, high = value_range
    drawn = _over_white(np.clip(np.rint((images - low) * (255 / (high - low))), 0, 255))
    grid = np.zeros((lines * (height + 1) + 1, columns * (width + 1) + 1, *drawn.shape[3:]), np.uint8)
    for number, image in enumerate(drawn):
        top, left = (number // columns) * (height + 1) + 1, (number % columns) * (width + 1) + 1
        grid[top : top + height, left : left + width] = image
    return grid


def _over_white(drawn: Float32[np.ndarray, "batch height width *colour"]) -> Float32[np.ndarray, "..."]:
    """Grey (batch, height, width) or RGB (batch, height, width, 3), values of 0 to 255, without an opacity."""
    if drawn.ndim == 3 or drawn.shape[3] not in {2, 4}:
        return drawn
    opacity = drawn[..., -1:] / 255
    shown = np.rint(drawn[..., :-1] * opacity + 255 * (1 - opacity))
    return shown[..., 0] if shown.shape[3] == 1 else shown
