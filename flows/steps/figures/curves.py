"""A measure along a line of settings, each value with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from flows.steps.figures.png import DPI, as_png

_COLOURS = ("#1f5fa8", "#c8502a", "#2d7d46", "#7a4fa3")


@dataclass(frozen=True)
class Point:
    """One measured value with its interval: where it stands on the line, the mean, and the interval's two ends."""

    at: float
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Curve:
    """Points of one colour, with a name."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Panel:
    """One pair of axes: what is measured with its unit, split and n; along what; the curves.

    ticks: names of places on the line, where numbers say too little.
    """

    title: str
    along: str
    measure: str
    curves: tuple[Curve, ...]
    ticks: tuple[tuple[float, str], ...] = ()


def curve_figure(title: str, panels: Sequence[Panel]) -> bytes:
    """Panels side by side, as a PNG.

    Source: Vincent et al. 2010 draw error by corruption level and by number of layers so.
    """
    return as_png(curve_drawing(title, panels))


def curve_drawing(title: str, panels: Sequence[Panel]) -> Figure:
    """What `curve_figure` shows, before it is pixels."""
    figure = Figure(figsize=(4.6 * max(len(panels), 1.5), 4.0), dpi=DPI, layout="constrained")
    figure.suptitle(title, fontsize=8.5, weight="bold", x=0.01, ha="left")
    for axis, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for curve, colour in zip(panel.curves, _COLOURS, strict=False):
            at = [point.at for point in curve.points]
            mean = [point.mean for point in curve.points]
            below = [point.mean - point.low for point in curve.points]
            above = [point.high - point.mean for point in curve.points]
            axis.errorbar(
                at, mean, yerr=[below, above], color=colour, marker="o", markersize=4, capsize=3, label=curve.name
            )
        axis.set_title(panel.title, fontsize=7.5, loc="left")
        axis.set_xlabel(panel.along, fontsize=7)
        axis.set_ylabel(panel.measure, fontsize=7)
        axis.set_ylim(bottom=0)
        axis.tick_params(labelsize=6.5)
        axis.grid(alpha=0.25)
        if panel.ticks:
            axis.set_xticks([at for at, _ in panel.ticks], [name for _, name in panel.ticks])
        if len(panel.curves) > 1:
            axis.legend(fontsize=6.5, frameon=False)
    return figure
