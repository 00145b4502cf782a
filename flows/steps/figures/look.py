"""How the rows of one dataset look: images as they are, vectors as coloured strips."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from jaxtyping import Float, Shaped, UInt8

from flows.steps.block_means import block_means

_LARGEST_SIDE = 112
_LONGEST_STRIP = 380


@dataclass(frozen=True)
class Look:
    """low and high: what is drawn darkest and brightest, one number for images, one a feature for vectors."""

    low: Float[np.ndarray, "..."]
    high: Float[np.ndarray, "..."]
    is_image: bool

    @classmethod
    def of_images(cls, minimum: float, maximum: float) -> Look:
        """From black to white between two values."""
        return cls(np.array(minimum, np.float64), np.array(maximum, np.float64), is_image=True)

    @classmethod
    def of_vectors(cls, rows: Shaped[np.ndarray, "rows features"]) -> Look:
        """Each feature from the 1st to the 99th percentile of its own values: units differ."""
        low, high = np.percentile(rows.astype(np.float64), (1, 99), axis=0)
        return cls(low, high, is_image=False)

    def tiles(self, rows: Shaped[np.ndarray, "rows ..."]) -> UInt8[np.ndarray, "rows height width *colour"]:
        """Rows as small images.

        Args:
            rows: (n, height, width), (n, height, width, channels) or (n, features), in the data's own units; of 2 or
                4 channels the last is the opacity, and what is transparent is laid over white.

        Returns:
            Images, shrunk by a whole factor where they are large; for vectors (n, 1, features, 3).
        """
        spread = np.where(self.high > self.low, self.high - self.low, 1.0)
        share = np.clip((rows.astype(np.float64) - self.low) / spread, 0, 1)
        if not self.is_image:
            factor = -(-rows.shape[1] // _LONGEST_STRIP)
            strips = block_means(share[:, None, :], 1, factor)
            colours: UInt8[np.ndarray, "rows one features 3"] = np.rint(mpl.colormaps["viridis"](strips) * 255)[
                ..., :3
            ].astype(np.uint8)
            return colours
        share = _over_white(share)
        factor = -(-max(rows.shape[1:3]) // _LARGEST_SIDE)
        down, across = min(factor, rows.shape[1]), min(factor, rows.shape[2])  # a thin image keeps one pixel
        means = block_means(share, down, across)
        tiles: UInt8[np.ndarray, "rows height width *colour"] = np.rint(means * 255).astype(np.uint8)
        return tiles


def _over_white(share: Float[np.ndarray, "rows height width *colour"]) -> Float[np.ndarray, "..."]:
    """Grey or RGB, from 0 to 1, without an opacity."""
    if share.ndim == 3 or share.shape[3] not in {2, 4}:
        return share
    opacity = share[..., -1:]
    shown: Float[np.ndarray, "..."] = share[..., :-1] * opacity + 1 - opacity
    return shown[..., 0] if shown.shape[3] == 1 else shown
