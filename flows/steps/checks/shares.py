"""Shares of the new rows: dropped, copied, outside the recorded range; each with how sure it is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32
from scipy import stats

from flows.steps import validation
from flows.steps.checks.limits import DataChecks
from flows.steps.checks.news import News
from flows.steps.checks.report import Finding
from flows.steps.datasets import DatasetRecord
from service.release.manifest import Manifest

# The false alarms that are allowed are divided among: dropped, copies, outside, and two kinds of drift.
TESTS = 5

# Of what is dropped, these are rows; the others are columns.
_ROW_PROBLEMS = {
    kind.name
    for kind in vars(validation).values()
    if isinstance(kind, validation.ProblemKind) and kind.droppable and kind.unit in {"rows", "images"}
}


def surely_more(count: int, of: int, share: float, rate: float) -> bool:
    """Whether so many of so many would, if each were one with probability `share`, be met at most at this rate."""
    return bool(stats.binom.sf(count - 1, of, share) <= rate)


def surely_more_than_known(count: int, of: int, share: float, known: int, rate: float) -> bool:
    """Whether so many lie, at most at this rate, beyond a bound that a share of `known` exchangeable rows lies beyond.

    The bound is drawn itself: beta-binomial, exact where `share` * (known + 1) is whole. A plain binomial would take
    few known rows for the truth.

    Source: Wilks 1942.
    """
    few, many = share * (known + 1), (1 - share) * (known + 1)
    return bool(stats.betabinom.sf(count - 1, of, few, many) <= rate)


def dropped_finding(champion: Manifest, record: DatasetRecord, news: News, checks: DataChecks) -> Finding:
    """Rows that --skip-bad dropped: of those that came since where that is known, else of all."""
    before, now = (_dropped_rows(counts) for counts in (champion.data.dropped, record.dropped))
    usual = before / max(1, before + sum(champion.data.rows.values()))
    if news.growth is None:
        count, of, which = now, now + sum(record.rows.values()), "all rows"
    else:
        count = max(0, now - before)
        of, which = count + news.growth.added, "added rows"
    allowed = min(1.0, usual + checks.dropped)
    return Finding(
        "dropped rows",
        not (count > allowed * of and surely_more(count, of, allowed, checks.false_alarm_rate / TESTS)),
        f"{count:,} of {of:,} {which}",
        f"at most {allowed:.1%}",
        "mend the source, or --check dropped=...",
        tuple(f"{name}: {found:,}" for name, found in record.dropped.items() if name in _ROW_PROBLEMS),
    )


def copies_finding(news: News, checks: DataChecks) -> Iterator[Finding]:
    """Added rows that repeat others; only where the champion's dataset tells which are added."""
    if news.growth is None:
        return
    growth = news.growth
    count = growth.added - growth.fresh
    allowed = min(1.0, growth.expected_copies + checks.copies)
    yield Finding(
        "copies",
        not (count > allowed * growth.added and surely_more(count, growth.added, allowed, _rate(checks))),
        f"{count:,} of {growth.added:,} added rows",
        f"at most {allowed:.1%}",
        "see whether a file came twice, or --check copies=...",
    )


def outside_finding(
    champion: Manifest, record: DatasetRecord, news: News, rows: Float32[np.ndarray, "rows ..."], checks: DataChecks
) -> Finding:
    """Values outside the range of the champion's training rows: of their column where that is known.

    Of n rows two are the ends of each column's range, so a share of 2 / (n + 1) of values like theirs lies outside.
    """
    low, high, words = _range(champion, news)
    beyond = (rows < low) | (rows > high)
    flat = beyond.reshape(len(rows), -1)
    share = float(flat.mean())
    trained = champion.data.rows["train"]
    expected = 2 / (trained + 1)
    # Values of one row hang together: as sure as if whole rows were outside.
    count = int(flat.mean(1).sum())
    surely = surely_more_than_known(count, len(rows), expected, max(2, trained), _rate(checks))
    return Finding(
        "values outside the range",
        not (share > expected + checks.outside and surely),
        f"{share:.2%} of the values of {len(rows):,} rows",
        f"at most {expected + checks.outside:.2%} outside {words}",
        "see whether a unit or a sensor has changed, or --check outside=...",
        _furthest(record, flat),
    )


def _dropped_rows(counts: dict[str, int]) -> int:
    return sum(count for name, count in counts.items() if name in _ROW_PROBLEMS)


def _rate(checks: DataChecks) -> float:
    return checks.false_alarm_rate / TESTS


def _range(champion: Manifest, news: News) -> tuple[np.ndarray, np.ndarray, str]:
    stated = champion.input
    if stated.kind == "vector" and news.before is not None:
        known = news.before.statistics
        return np.array(known.minimum), np.array(known.maximum), "each column's range"
    return np.array(stated.minimum), np.array(stated.maximum), f"{stated.minimum:g} to {stated.maximum:g}"


def _furthest(record: DatasetRecord, beyond: np.ndarray) -> tuple[str, ...]:
    """The columns with the most values outside."""
    if record.columns is None:
        return ()
    shares = beyond.mean(0)
    order = np.argsort(-shares, kind="stable")[:3]
    return tuple(f"{record.columns[place]} {shares[place]:.0%}" for place in order if shares[place] > 0)
