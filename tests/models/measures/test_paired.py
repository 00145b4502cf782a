"""The gain of one model over another on the same rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.errors import ShapeError
from models.measures.paired import paired_gain, share_gained


def mean(values: Any) -> float:
    return float(values.mean())


def test_a_gain_is_a_share_of_the_champions_figure_in_the_direction_that_is_good() -> None:
    assert share_gained(0.9, 1.0, "lower") == pytest.approx(0.1)
    assert share_gained(0.9, 1.0, "higher") == pytest.approx(-0.1)
    assert share_gained(-2.0, -1.0, "lower") == pytest.approx(1.0)
    assert [share_gained(value, 0.0, "lower") for value in (0.0, 1.0, -1.0)] == [0, -1, 1]


def test_rows_are_drawn_in_pairs_so_that_a_small_even_gain_is_certain_among_rows_that_differ_much() -> None:
    champion = np.random.default_rng(0).lognormal(size=500) * 10
    gain = paired_gain(champion * 0.98, champion, "lower", mean)
    assert gain.gain == pytest.approx(0.02)
    assert (gain.low, gain.high) == pytest.approx((0.02, 0.02))
    # The same rows in another order are not pairs, and tell nothing of so small a gain.
    shuffled = np.random.default_rng(1).permutation(champion * 0.98)
    loose = paired_gain(shuffled, champion, "lower", mean)
    assert loose.low < 0 < loose.high


def test_the_interval_holds_the_true_gain_in_about_95_of_100_draws() -> None:
    generator = np.random.default_rng(2)
    held = 0
    for _ in range(100):
        champion = generator.normal(10, 2, 100)
        gain = paired_gain(champion - generator.normal(0.5, 1, 100), champion, "lower", mean)
        held += gain.low <= 0.05 <= gain.high
    assert 88 <= held <= 100


def test_the_gain_of_a_model_over_itself_is_nothing() -> None:
    values = np.random.default_rng(3).normal(size=50)
    gain = paired_gain(values, values, "higher", mean)
    assert (gain.gain, gain.low, gain.high) == (0, 0, 0)


def test_no_rows_are_refused() -> None:
    with pytest.raises(ShapeError, match="rows of the candidate"):
        paired_gain(np.ones(0), np.ones(0), "lower", mean)
