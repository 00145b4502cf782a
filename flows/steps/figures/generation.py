"""Random inputs beside decoded random codes beside samples: where among all inputs the data lie."""

from __future__ import annotations

from jaxtyping import UInt8
from numpy import ndarray

from flows.steps.figures.sheet import draw_sheet
from flows.steps.figures.tiles import Tiles

_COLUMNS = 4


def generation_figure(
    noise: UInt8[ndarray, "rows ..."],
    decoded: UInt8[ndarray, "rows ..."],
    samples: UInt8[ndarray, "rows ..."],
    what: str,
    drawn: str,
) -> bytes:
    """Three panels side by side, as a PNG.

    Args:
        noise: tiles of uniformly random inputs.
        decoded: tiles of uniformly random codes, decoded.
        samples: tiles of new rows.
        what: an input is made of, such as `pixels`.
        drawn: how the samples were drawn, such as `from the fitted density`.
    """
    strips = noise.shape[1] == 1
    panels = [
        Tiles(title, rows, 1 if strips else _COLUMNS)
        for title, rows in ((f"random {what}", noise), ("random codes, decoded", decoded), ("samples", samples))
    ]
    return draw_sheet(
        f"Random {what}, random codes, and samples {drawn} (n = {len(noise)} each)",
        [panels[:2], panels[2:]] if strips else [panels],
    )
