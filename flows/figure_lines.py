"""How a person reads a release's figures, a line each; and the line that says that it learned none of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from service.release.manifest import Curve, Manifest, Metric

_SHOWN_POINTS = 8


def untrained_line(recipe: Mapping[str, Any]) -> str | None:
    """What to tell of a release whose encoder and decoder never learned; None where they did.

    Args:
        recipe: as a manifest holds it.
    """
    if any(recipe.get(phase, {}).get("epochs") != 0 for phase in ("pretraining", "fine_tuning")):
        return None
    return (
        "its encoder and decoder were never trained (pretraining.epochs and fine_tuning.epochs are 0): their weights "
        "are random, and its codes, reconstructions and samples mean nothing; only its classifier learned"
    )


def metric_value(metric: Metric) -> str:
    """The value, and its interval where it has one: `0.9215 [0.9089, 0.9325]`."""
    ends = "" if metric.interval is None else f" [{metric.interval[0]:.4g}, {metric.interval[1]:.4g}]"
    return f"{metric.value:.4g}{ends}"


def metric_line(metric: Metric) -> str:
    """All but the name."""
    return f"{metric_value(metric)} {metric.unit} ({_basis(metric)})"


def curve_line(curve: Curve) -> str:
    """Some of a curve's points, evenly spread, each with its interval, and their unit, split, rows and method."""
    chosen = np.unique(np.linspace(0, len(curve.at) - 1, _SHOWN_POINTS).round().astype(int))
    points = ", ".join(f"{_point(curve, int(point))} at {curve.at[point]:.3g}" for point in chosen)
    return f"by {curve.at_name}: {points}; {curve.unit} ({_basis(curve)})"


def _point(curve: Curve, point: int) -> str:
    ends = ""
    if curve.low is not None and curve.high is not None:
        ends = f" [{curve.low[point]:.3g}, {curve.high[point]:.3g}]"
    return f"{curve.values[point]:.3g}{ends}"


def _basis(figure: Metric | Curve) -> str:
    """What it rests on: `test, n=2000, 95 % interval; Wilson`."""
    sure = "" if figure.confidence is None else f", {100 * figure.confidence:g} % interval"
    how = "" if figure.method is None else f"; {figure.method}"
    return f"{figure.split}, n={figure.rows}{sure}{how}"


def code_line(manifest: Manifest) -> str:
    """Which code made it: `manifold 0.1.0, commit 1a2b3c (changed since)`."""
    code = manifest.source_code
    if code is None:
        return "not stated: a release of before"
    if code.commit is None:
        return f"manifold {code.package}"
    return f"manifold {code.package}, commit {code.commit}{' (changed since)' if code.changed else ''}"
