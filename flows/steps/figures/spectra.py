"""Singular values of the encoder's Jacobian: in how many directions the code moves when the input does."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from flows.steps.figures.png import DPI, as_png

_COLOURS = ("#1f5fa8", "#c8502a", "#2d7d46", "#7a4fa3")
_LEAST = 1e-6


def spectrum_figure(spectra: Mapping[str, Float[np.ndarray, " k"]], rows: int, split: str) -> bytes:
    """Mean sorted singular values of dh/dx, one line a model, as a PNG.

    Args:
        spectra: name of a model -> its values, largest first, mean over rows.
        rows: how many rows.
        split: of the rows.

    Source: Rifai et al. 2011, figure 3.
    """
    return as_png(spectrum_drawing(spectra, rows, split))


def spectrum_drawing(spectra: Mapping[str, Float[np.ndarray, " k"]], rows: int, split: str) -> Figure:
    """What `spectrum_figure` shows, before it is pixels."""
    figure = Figure(figsize=(7, 4.6), dpi=DPI, layout="constrained")
    axis = figure.subplots()
    for (name, values), colour in zip(spectra.items(), _COLOURS, strict=False):
        axis.plot(np.arange(1, len(values) + 1), values, color=colour, label=name, linewidth=1.4)
    top = max(float(values.max()) for values in spectra.values())
    lowest = min(float(values.min()) for values in spectra.values())
    axis.set_yscale("log")
    axis.set_ylim(bottom=max(lowest * 0.7, top * _LEAST))
    axis.set_xlabel("singular value, from the largest", fontsize=7)
    axis.set_ylabel("mean singular value of dh/dx (code per scaled input)", fontsize=7)
    axis.tick_params(labelsize=6.5)
    axis.grid(alpha=0.25)
    axis.legend(fontsize=7, frameon=False)
    title = f"Singular values of the encoder's Jacobian, mean over {rows} {split} rows"
    axis.set_title(title, loc="left", fontsize=8.5, weight="bold")
    return figure
