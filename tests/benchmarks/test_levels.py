"""Whether the errors by corruption level are flat is judged by what the seeds can tell."""

from __future__ import annotations

import json

import pytest

from benchmarks.harness import RESULTS, Row
from benchmarks.pages import DOCS
from benchmarks.papers.table import flatness

_LEVELS = ("sdae_error_at_10", "sdae_error_at_25", "sdae_error_at_40")


def level(name: str, *errors: float) -> Row:
    seeds = {f"seed {seed}": error for seed, error in enumerate(errors)}
    return Row(name, sum(errors) / len(errors), "%", 4.0, "lower", sides={"test error": {"mean": 0.0, **seeds}})


@pytest.mark.parametrize(("off", "flat"), [(0.0, True), (0.1, True), (0.5, False)])
def test_levels_are_flat_where_their_seeds_cannot_tell_the_worst_from_the_best(off: float, flat: bool) -> None:
    ten, forty = level("10", 3.5, 3.4, 3.6), level("40", 3.4 + off, 3.55 + off, 3.45 + off)
    row = flatness([ten, level("25", 3.49, 3.41, 3.55), forty])
    assert row.reached is flat
    difference = row.sides["difference"]
    assert (difference["low"] <= 0) is flat
    assert row.value == pytest.approx(difference["mean"])


def test_the_published_row_is_that_of_the_published_levels() -> None:
    found = {row["name"]: row for row in json.loads((RESULTS / "papers.json").read_text())}
    levels = [
        Row(**{key: found[name][key] for key in ("name", "value", "unit", "goal", "better", "sides")})
        for name in _LEVELS
    ]
    expected, published = flatness(levels), found["sdae_error_spread_10_to_40"]
    assert published["value"] == pytest.approx(expected.value)
    assert published["goal"] == pytest.approx(expected.goal)
    assert f"`sdae_error_spread_10_to_40` | {expected.value:.3g} points |" in (DOCS / "papers.md").read_text("utf-8")
