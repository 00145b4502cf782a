"""The gate's rules: when a measure is better or worse, and when all of them together let a candidate pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from models.measures.paired import Gain, Statistic, paired_gain
from models.recipe import Gate
from service.release.verdict import Comparison, Outcome, Verdict

Values = Float[np.ndarray, " rows"]


def compared(
    name: str,
    unit: str,
    better: Literal["lower", "higher"],
    sides: Sequence[Values],
    statistic: Statistic,
    allowed: float,
    how: str,
) -> Comparison:
    """A measure of candidate and champion, `sides`, each one number a row; other arguments as `weighed` has them."""
    candidate, champion = sides
    gain = paired_gain(candidate, champion, better, statistic)
    return weighed(name, unit, better, gain, len(candidate), allowed, f"{how}; {gain.method}")


def weighed(
    name: str, unit: str, better: Literal["lower", "higher"], gain: Gain, rows: int, allowed: float, how: str
) -> Comparison:
    """A measure with what it comes to.

    It is worse where the candidate loses more than is allowed and the interval says that it does lose; better where
    the whole interval is a gain; else the same, which is also what few rows come to.
    """
    outcome: Outcome = "same"
    if gain.gain < -allowed and gain.high < 0:
        outcome = "worse"
    elif gain.low > 0:
        outcome = "better"
    return Comparison(
        name=name,
        unit=unit,
        better=better,
        candidate=gain.candidate,
        champion=gain.champion,
        gain=gain.gain,
        interval=(gain.low, gain.high),
        confidence=gain.confidence,
        allowed=allowed,
        outcome=outcome,
        rows=rows,
        method=how,
    )


def decide(
    champion: str, of_quality: Sequence[Comparison], of_cost: Sequence[Comparison], gate: Gate, split: str
) -> Verdict:
    """Passed, where nothing is worse than the gate allows and enough measures of quality are better."""
    worse = [_line(comparison) for comparison in (*of_quality, *of_cost) if comparison.outcome == "worse"]
    better = [_line(comparison) for comparison in of_quality if comparison.outcome == "better"]
    reasons = worse
    if not worse and len(better) < gate.improvements:
        found = ", ".join(comparison.name for comparison in of_quality)
        reasons = [
            f"{len(better)} of {len(of_quality)} measures of quality better, {gate.improvements} expected ({found})"
        ]
    passed = not reasons
    return Verdict(
        passed=passed,
        champion=champion,
        reasons=tuple(reasons or better or ["nothing is worse than the gate allows, and nothing has to be better"]),
        comparisons=(*of_quality, *of_cost),
        split=split,
    )


def refused(champion: str, reason: str) -> Verdict:
    """The verdict on a candidate that cannot be compared, or does not work."""
    return Verdict(passed=False, champion=champion, reasons=(reason,))


def unopposed() -> Verdict:
    """The verdict on a candidate where there is no champion."""
    return Verdict(passed=True, champion=None, reasons=("there is no champion yet",))


def _line(comparison: Comparison) -> str:
    low, high = (f"{100 * end:+.1f}" for end in comparison.interval)
    return (
        f"{comparison.name} {comparison.outcome}: {comparison.candidate:.4g} against {comparison.champion:.4g} "
        f"{comparison.unit}, {100 * comparison.gain:+.1f} % [{low}, {high}], {100 * comparison.allowed:g} % allowed"
    )
