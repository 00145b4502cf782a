"""Pictures for those who would rather look than read."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
from jaxtyping import Float32
from matplotlib.figure import Figure

from flows.steps.image_grid import image_grid

_TITLES = ("originals (test split)", "their reconstructions", "new samples")
_SHOWN = 20
_ROWS_PER_PANEL = 2


def reconstruction_figure(
    originals: Float32[np.ndarray, "batch ..."],
    reconstructions: Float32[np.ndarray, "batch ..."],
    samples: Float32[np.ndarray, "samples ..."],
    value_range: tuple[float, float],
) -> bytes:
    """Originals, their reconstructions and new samples, one above the other, as a PNG.

    Args:
        originals: images (batch, height, width) or (batch, height, width, channels), or vectors (batch,
            features), which are drawn as lines.
        reconstructions: of the originals, in the same units.
        samples: of the same shape apart from the batch.
        value_range: of the images, from black to white.
    """
    panels = [rows[:_SHOWN] for rows in (originals, reconstructions, samples)]
    figure = Figure(figsize=(7, 5.4), dpi=150, layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, sharey=originals.ndim == 2)
    for axis, rows, title in zip(axes, panels, _TITLES, strict=True):
        axis.set_title(title, loc="left", fontsize=9)
        if rows.ndim == 2:
            axis.plot(rows.T, linewidth=0.8, alpha=0.7)
            axis.tick_params(labelsize=7)
        else:
            grid = image_grid(rows, -(-_SHOWN // _ROWS_PER_PANEL), value_range)
            axis.imshow(grid, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axis.set_axis_off()
    return _as_png(figure)


def map_figure(points: Float32[np.ndarray, "rows 2"], labels: np.ndarray | None) -> bytes:
    """The 2-D map of the codes, coloured by label where there are labels, as a PNG."""
    figure = Figure(figsize=(6, 5.5), dpi=150, layout="constrained")
    axis = figure.subplots()
    colours = None if labels is None else mpl.colormaps["tab10"](labels % 10)
    axis.scatter(points[:, 0], points[:, 1], s=3, c=colours, alpha=0.6, linewidths=0)
    axis.set_title(f"the codes of {len(points)} training rows, in two dimensions", loc="left", fontsize=9)
    axis.tick_params(labelsize=7)
    return _as_png(figure)


def _as_png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    # Without the library's version in it, the same picture has the same bytes.
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
