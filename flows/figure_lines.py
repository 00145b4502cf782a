"""How a person reads a figure: value, interval, unit, split and rows on one line."""

from __future__ import annotations

import numpy as np

from service.release.manifest import Curve, Metric

_SHOWN_POINTS = 8


def metric_value(metric: Metric) -> str:
    """The value, and its interval where it has one: `0.9215 [0.9089, 0.9325]`."""
    if metric.interval is None:
        return f"{metric.value:.4g}"
    low, high = metric.interval
    return f"{metric.value:.4g} [{low:.4g}, {high:.4g}]"


def metric_line(metric: Metric) -> str:
    """All but the name."""
    return f"{metric_value(metric)} {metric.unit} ({metric.split}, n={metric.rows})"


def curve_line(curve: Curve) -> str:
    """Some of a curve's points, evenly spread, with their unit, split and rows."""
    chosen = np.unique(np.linspace(0, len(curve.at) - 1, _SHOWN_POINTS).round().astype(int))
    points = ", ".join(f"{curve.values[point]:.3g} at {curve.at[point]:.3g}" for point in chosen)
    return f"by {curve.at_name}: {points}; {curve.unit} ({curve.split}, n={curve.rows})"
