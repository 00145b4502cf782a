"""How much better one model is than another on the same rows: the gain, and an interval around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from models.errors import ShapeError
from models.measures.intervals import CONFIDENCE

_DRAWS = 1_000

Values = Float[np.ndarray, " rows"]
Statistic = Callable[[Values], float]


@dataclass(frozen=True)
class Gain:
    """What a candidate gains over a champion, as a share of the champion's figure; below 0 it loses.

    candidate, champion: the two figures. gain, low, high: the share, and the interval of `confidence` around it.
    """

    candidate: float
    champion: float
    gain: float
    low: float
    high: float
    method: str
    confidence: float = CONFIDENCE


def paired_gain(
    candidate: Values,
    champion: Values,
    better: Literal["lower", "higher"],
    statistic: Statistic,
    seed: int = 0,
) -> Gain:
    """The gain by a statistic of one number a row, rows drawn together for both.

    Args:
        candidate: (rows,) one number a row, finite.
        champion: (rows,) of the same rows, in the same order.
        better: which way the statistic is good.
        statistic: rows -> one number, such as their mean.
        seed: of the draws.

    Raises:
        ShapeError: other rows than the candidate's, or none.

    Source: Efron & Tibshirani 1993, sections 8.3 and 13.3 (paired draws, percentile interval).
    """
    if candidate.shape != champion.shape or len(candidate) == 0:
        raise ShapeError(f"{candidate.shape} rows of the candidate and {champion.shape} of the champion came")
    ours, theirs = statistic(candidate), statistic(champion)
    generator = np.random.default_rng(seed)
    gains = np.empty(_DRAWS)
    for draw in range(_DRAWS):
        rows = generator.integers(0, len(candidate), len(candidate))
        gains[draw] = share_gained(statistic(candidate[rows]), statistic(champion[rows]), better)
    low, high = np.quantile(gains, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    method = f"percentile bootstrap of paired rows, {_DRAWS} draws, seed {seed}"
    return Gain(ours, theirs, share_gained(ours, theirs, better), float(low), float(high), method)


def share_gained(candidate: float, champion: float, better: Literal["lower", "higher"]) -> float:
    """How much better, as a share of the champion's figure.

    Where that is 0, a share of it means nothing: the gain is 0 where the candidate's is 0 too, else 1 for better and
    -1 for worse.
    """
    difference = champion - candidate if better == "lower" else candidate - champion
    if champion == 0:
        return float(np.sign(difference))
    return difference / abs(champion)
