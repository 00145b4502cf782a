"""Images made smaller by a whole factor: to be drawn, or to be learned from in a short training."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Shaped


def block_means(
    images: Shaped[np.ndarray, "rows height width *colour"], down: int, across: int
) -> Float[np.ndarray, "rows high wide *colour"]:
    """Means of blocks of so many pixels down and across; what is left over at the border is cut off.

    Args:
        images: numbers of any type.
        down: at least 1, at most the height.
        across: likewise of the width.

    Returns:
        In float32, or in float64 where the images' own numbers need it.
    """
    high, wide = images.shape[1] // down, images.shape[2] // across
    cut = images[:, : high * down, : wide * across]
    blocks = cut.reshape(len(images), high, down, wide, across, *images.shape[3:])
    means: Float[np.ndarray, "rows high wide *colour"] = blocks.mean(
        axis=(2, 4), dtype=np.result_type(images.dtype, np.float32)
    )
    return means
