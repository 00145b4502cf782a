"""Random inputs beside decoded random codes beside samples: where among all inputs the data lie."""

from __future__ import annotations

from jaxtyping import UInt8
from numpy import ndarray

from flows.steps.figures.sheet import draw_sheet, laid_out
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
    panels = [
        Tiles(f"random {what}", noise, _COLUMNS),
        Tiles("random codes, decoded", decoded, _COLUMNS),
        Tiles("samples", samples, _COLUMNS),
    ]
    title = f"Random {what}, random codes, and samples {drawn} (n = {len(noise)} each)"
    return draw_sheet(title, laid_out(panels, across=True))
