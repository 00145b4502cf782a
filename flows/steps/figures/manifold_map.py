"""The codes in two dimensions, with labels, and with some of the rows themselves on top."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from jaxtyping import Float32, Int64, UInt8
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from flows.steps.figures.lettering import legible
from flows.steps.figures.png import DPI, as_png

_LEGEND = 20
_THUMBNAIL = 30
_CELLS = 12


def map_figure(
    points: Float32[np.ndarray, "rows 2"],
    labels: Int64[np.ndarray, " rows"] | None,
    label_names: tuple[str, ...] | None,
    thumbnails: UInt8[np.ndarray, "rows height width *colour"] | None,
    title: str,
) -> bytes:
    """A scatter of the rows, coloured by label where there are labels, as a PNG.

    Args:
        points: 2-D coordinates.
        labels: indices into `label_names`.
        label_names: for the legend.
        thumbnails: a tile of each row: one is put into each square of the plane that has rows. None for vectors.
        title: says what the coordinates are, of which split, and of how many rows.
    """
    return as_png(map_drawing(points, labels, label_names, thumbnails, title))


def map_drawing(
    points: Float32[np.ndarray, "rows 2"],
    labels: Int64[np.ndarray, " rows"] | None,
    label_names: tuple[str, ...] | None,
    thumbnails: UInt8[np.ndarray, "rows height width *colour"] | None,
    title: str,
) -> Figure:
    """What `map_figure` shows, before it is pixels."""
    figure = Figure(figsize=(8, 7), dpi=DPI, layout="constrained")
    axis = figure.subplots()
    for label in [None] if labels is None else [int(label) for label in np.unique(labels)]:
        these = slice(None) if labels is None or label is None else labels == label
        name = "" if label is None or label_names is None else legible(label_names[label], 20)
        axis.scatter(points[these, 0], points[these, 1], s=7, color=_colour(label), alpha=0.6, linewidths=0, label=name)
    if thumbnails is not None:
        _sprinkle(axis, points, thumbnails, labels)
    if labels is not None and len(np.unique(labels)) <= _LEGEND:
        legend = axis.legend(fontsize=7, markerscale=2.5, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
        for text in legend.get_texts():
            text.set_parse_math(False)
    axis.set_title(title, loc="left", fontsize=8.5, weight="bold", wrap=True)
    axis.tick_params(labelsize=6)
    return figure


def _colour(label: int | None) -> tuple[float, ...]:
    return tuple(mpl.colormaps["tab10" if label is None or label < 10 else "tab20"]((label or 0) % 20))


def _sprinkle(
    axis: mpl.axes.Axes,
    points: Float32[np.ndarray, "rows 2"],
    thumbnails: UInt8[np.ndarray, "rows ..."],
    labels: Int64[np.ndarray, " rows"] | None,
) -> None:
    low, high = points.min(0), points.max(0)
    cells = np.minimum(((points - low) / np.maximum(high - low, 1e-12) * _CELLS).astype(np.int64), _CELLS - 1)
    centres = low + (cells + 0.5) * (high - low) / _CELLS
    off_centre = np.square((points - centres) / np.maximum(high - low, 1e-12)).sum(1)
    order = np.argsort(off_centre, kind="stable")
    # In each cell the row nearest to its middle: thumbnails that hardly overlap.
    _, first = np.unique(cells[order] @ np.array([_CELLS, 1]), return_index=True)
    side = max(thumbnails.shape[1:3])
    for row in order[first]:
        # The scale of a grey image is that of all grey images, not of what it happens to hold.
        shown = thumbnails[row] if thumbnails.ndim == 4 else np.repeat(thumbnails[row][..., None], 3, axis=2)
        image = OffsetImage(shown, zoom=_THUMBNAIL / side * 72 / DPI)
        colour = _colour(None if labels is None else int(labels[row]))
        frame = {"edgecolor": colour, "linewidth": 1.0, "boxstyle": "square,pad=0"}
        axis.add_artist(AnnotationBbox(image, tuple(points[row]), frameon=True, pad=0, bboxprops=frame))
