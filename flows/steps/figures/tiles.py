"""Many small images as one canvas: each tile enlarged by a whole number, so that its pixels stay what they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

GAP = 4
_SIDE = 84
_STRIP = 16, 380
_CAPTION_BELOW, _CAPTION_BESIDE = 22, 74
_MARK = np.array((208, 32, 48), np.uint8)
_MARK_WIDTH = 3


@dataclass(frozen=True)
class Tiles:
    """One panel of a sheet.

    title: above the panel, short.
    images: (tiles, height, width), grey, or (tiles, height, width, 3); a height of 1 is a vector, drawn as a strip.
    columns: tiles in a row.
    captions: one a tile, below it, or beside a strip; none where empty.
    marked: the tiles that get a red frame.
    side: about how many pixels the longer side of a tile gets.
    """

    title: str
    images: UInt8[np.ndarray, "tiles height width *colour"]
    columns: int
    captions: tuple[str, ...] = ()
    marked: frozenset[int] = frozenset()
    side: int = _SIDE

    @property
    def is_strip(self) -> bool:
        """Whether a tile is a vector."""
        return bool(self.images.shape[1] == 1)

    @property
    def zoom(self) -> tuple[int, int]:
        """Pixels of the canvas for one of the image: down, across."""
        height, width = self.images.shape[1:3]
        if self.is_strip:
            return _STRIP[0], max(1, _STRIP[1] // width)
        factor = max(1, self.side // max(height, width))
        return factor, factor

    def place(self, number: int) -> tuple[int, int]:
        """The top left corner of a tile on the canvas: row, column."""
        down, across = self._step
        return GAP + (number // self.columns) * down, GAP + (number % self.columns) * across

    def caption_place(self, number: int) -> tuple[int, int]:
        """Where the middle of a tile's caption is: row, column."""
        (top, left), (high, wide) = self.place(number), self._size
        if self.is_strip:
            return top + high // 2, left + wide + _CAPTION_BESIDE // 2
        return top + high + _CAPTION_BELOW // 2, left + wide // 2

    def canvas(self) -> UInt8[np.ndarray, "down across 3"]:
        """All tiles on white, as they are drawn."""
        lines = -(-len(self.images) // self.columns)
        down, across = self._step
        canvas = np.full((GAP + lines * down, GAP + min(self.columns, len(self.images)) * across, 3), 255, np.uint8)
        images = self.images if self.images.ndim == 4 else np.repeat(self.images[..., None], 3, axis=3)
        high, wide = self._size
        for number, image in enumerate(images):
            top, left = self.place(number)
            if number in self.marked:
                edge = slice(top - _MARK_WIDTH, top + high + _MARK_WIDTH)
                canvas[edge, left - _MARK_WIDTH : left + wide + _MARK_WIDTH] = _MARK
            canvas[top : top + high, left : left + wide] = image.repeat(self.zoom[0], 0).repeat(self.zoom[1], 1)
        return canvas

    @property
    def _size(self) -> tuple[int, int]:
        return self.images.shape[1] * self.zoom[0], self.images.shape[2] * self.zoom[1]

    @property
    def _step(self) -> tuple[int, int]:
        (high, wide), captioned = self._size, bool(self.captions)
        return (
            high + GAP + (_CAPTION_BELOW if captioned and not self.is_strip else 0),
            wide + GAP + (_CAPTION_BESIDE if captioned and self.is_strip else 0),
        )
