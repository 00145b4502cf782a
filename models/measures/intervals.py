"""How far a figure can be from what it estimates: confidence intervals for means, shares and whole statistics."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64
from scipy import stats

CONFIDENCE = 0.95
_DRAWS = 1_000
# More values than this aren't drawn anew: their mean is normal to far more digits than anybody reads.
_MOST_DRAWN = 20_000
# Values of one batch of draws in memory.
_BATCH_VALUES = 1_000_000
_GROUPS = 8


@dataclass(frozen=True)
class Interval:
    """Where the true value lies, with so much confidence; `method` says how that was found."""

    low: float
    high: float
    method: str
    confidence: float = CONFIDENCE


@dataclass(frozen=True)
class Band:
    """An interval for each point of a curve, each by itself."""

    low: Float[np.ndarray, " points"]
    high: Float[np.ndarray, " points"]
    method: str
    confidence: float = CONFIDENCE


def mean_interval(values: Float[np.ndarray, " rows"], seed: int = 0) -> Interval | None:
    """The interval of the mean of independent rows; None for fewer than 2.

    Args:
        values: one number a row, finite.
        seed: for the bootstrap's draws.

    Source: Efron & Tibshirani 1993, section 13.3 (percentile bootstrap). Above 20,000 rows mean ± 1.96 standard
    errors, which costs nothing.
    """
    band = mean_band(values[:, None], seed)
    return None if band is None else Interval(float(band.low[0]), float(band.high[0]), band.method)


def mean_band(values: Float[np.ndarray, "rows points"], seed: int = 0) -> Band | None:
    """`mean_interval` of each column, rows drawn together; None for fewer than 2 rows."""
    rows = len(values)
    if rows < 2:
        return None
    if rows > _MOST_DRAWN:
        centre, error = values.mean(0, dtype=np.float64), values.std(0, ddof=1, dtype=np.float64) / math.sqrt(rows)
        reach = float(stats.norm.ppf((1 + CONFIDENCE) / 2)) * error
        return Band(centre - reach, centre + reach, "normal, mean ± 1.96 standard errors of row values")
    drawn = stats.bootstrap(
        (values.astype(np.float64),),
        np.mean,
        n_resamples=_DRAWS,
        batch=max(1, _BATCH_VALUES // values.size),
        vectorized=True,
        axis=0,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    method = f"percentile bootstrap of row values, {_DRAWS} draws, seed {seed}"
    return Band(np.asarray(drawn.low), np.asarray(drawn.high), method)


def share_interval(hits: int, trials: int) -> Interval | None:
    """Wilson's interval of a share of independent trials; None without any.

    Source: Wilson 1927.
    """
    if trials < 1:
        return None
    found = stats.binomtest(hits, trials).proportion_ci(confidence_level=CONFIDENCE, method="wilson")
    return Interval(float(found.low), float(found.high), "Wilson")


def jackknife_interval(
    statistic: Callable[[Int64[np.ndarray, " some"]], float], rows: int, seed: int = 0, highest: float = math.inf
) -> Interval | None:
    """The interval of a statistic that is no mean over rows, by leaving out one eighth of them at a time.

    Rows that depend on each other through the statistic, as neighbours do, are left out of both sides, so that what
    their dependence adds to the spread is counted.

    Args:
        statistic: the figure from these rows alone, as ascending indices.
        rows: how many there are.
        seed: which rows are left out together.
        highest: the greatest value that the statistic can take; the interval ends there.

    Returns:
        Mean ± t · standard error; None for fewer than 16 rows.

    Source: Shao & Wu 1989 (the delete-d jackknife), with Student's t for so few groups.
    """
    if rows < 2 * _GROUPS:
        return None
    order = np.random.default_rng(seed).permutation(rows)
    left = np.array([statistic(np.sort(np.delete(order, slice(g, None, _GROUPS)))) for g in range(_GROUPS)])
    centre = statistic(np.arange(rows))
    error = math.sqrt((_GROUPS - 1) / _GROUPS * float(np.square(left - left.mean()).sum()))
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, _GROUPS - 1)) * error
    method = f"jackknife, {_GROUPS} groups of rows left out in turn, seed {seed}"
    return Interval(centre - reach, min(centre + reach, highest), method)
