"""How a figure is stated: value, unit, split, rows, interval."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float

from flows.steps.datasets import Split
from models.measures.intervals import Interval, mean_band, mean_interval, share_interval
from service.release.manifest import Curve, Metric

Better = Literal["lower", "higher", "neither"]


def stated(
    name: str,
    value: float,
    unit: str,
    split: Split,
    rows: int,
    better: Better,
    interval: Interval | None = None,
    method: str | None = None,
) -> Metric:
    """A figure as the manifest has it; `method` stands before the interval's own."""
    said = [part for part in (method, interval.method if interval else None) if part]
    return Metric(
        name=name,
        value=value,
        unit=unit,
        split=split,
        rows=rows,
        better=better,
        interval=(interval.low, interval.high) if interval else None,
        confidence=interval.confidence if interval else None,
        method="; ".join(said) or None,
    )


def mean_of(
    name: str,
    values: Float[np.ndarray, " rows"],
    unit: str,
    split: Split,
    better: Better,
    method: str | None = None,
) -> Metric:
    """The mean of one number a row."""
    return stated(name, float(values.mean()), unit, split, len(values), better, mean_interval(values), method)


def share_of(name: str, share: float, split: Split, rows: int, better: Better, method: str | None = None) -> Metric:
    """A share of rows, each of which counts or does not."""
    interval = share_interval(round(share * rows), rows)
    return stated(name, share, "share of rows", split, rows, better, interval, method)


def curve_of(
    name: str,
    at_name: str,
    at: Float[np.ndarray, " points"],
    values: Float[np.ndarray, "rows points"],
    unit: str,
    split: Split,
    method: str | None = None,
) -> Curve:
    """The mean over rows at each point."""
    band = mean_band(values)
    said = [part for part in (method, band.method if band else None) if part]
    return Curve(
        name=name,
        at_name=at_name,
        at=tuple(at.tolist()),
        values=tuple(values.mean(0).tolist()),
        low=tuple(band.low.tolist()) if band else None,
        high=tuple(band.high.tolist()) if band else None,
        unit=unit,
        split=split,
        rows=len(values),
        confidence=band.confidence if band else None,
        method="; ".join(said) or None,
    )
