"""Originals, what the network makes of them, and new samples."""

from __future__ import annotations

from jaxtyping import UInt8
from numpy import ndarray

from flows.steps.figures.sheet import draw_sheet, laid_out
from flows.steps.figures.tiles import Tiles

_COLUMNS = 8


def reconstruction_figure(
    originals: UInt8[ndarray, "batch ..."],
    reconstructions: UInt8[ndarray, "batch ..."],
    samples: UInt8[ndarray, "samples ..."],
    split: str,
    drawn: str,
) -> bytes:
    """Originals, their reconstructions and new samples, one above the other, as a PNG.

    Args:
        originals: tiles, as `Look.tiles` gives them.
        reconstructions: of the originals, in the same order.
        samples: new rows.
        split: that the originals are from.
        drawn: how the samples were drawn, such as `from the fitted density`.
    """
    panels = [
        Tiles(f"originals ({split} rows)", originals, _COLUMNS),
        Tiles("their reconstructions g(h(x))", reconstructions, _COLUMNS),
        Tiles(f"new samples, {drawn}", samples, _COLUMNS),
    ]
    title = f"Reconstructions of {len(originals)} {split} rows, and {len(samples)} samples"
    return draw_sheet(title, laid_out(panels, across=False))
