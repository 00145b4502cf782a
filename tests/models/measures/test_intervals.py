"""Intervals cover what they say they cover."""

from __future__ import annotations

import numpy as np
import pytest

from models.measures.intervals import jackknife_interval, mean_band, mean_interval, share_interval


def test_the_interval_of_a_mean_covers_the_true_mean_in_about_95_percent_of_draws() -> None:
    random = np.random.default_rng(0)
    # Skewed, as squared errors are.
    intervals = [mean_interval(random.exponential(2.0, 100)) for _ in range(300)]
    covered = [i is not None and i.low <= 2.0 <= i.high for i in intervals]
    assert 0.9 <= np.mean(covered) <= 0.98


def test_the_interval_of_a_share_covers_the_true_share_in_about_95_percent_of_draws() -> None:
    hits = np.random.default_rng(0).binomial(200, 0.97, size=400)
    intervals = [share_interval(int(count), 200) for count in hits]
    covered = [i is not None and i.low <= 0.97 <= i.high for i in intervals]
    assert 0.92 <= np.mean(covered) <= 0.99


def test_wilsons_interval_is_the_textbooks_and_stays_in_range() -> None:
    found = share_interval(8, 10)
    assert found is not None
    assert [found.low, found.high] == pytest.approx([0.4902, 0.9433], abs=1e-4)
    everything = share_interval(50, 50)
    assert everything is not None
    assert [everything.low, everything.high] == pytest.approx([0.9287, 1.0], abs=1e-4)


def test_very_many_rows_are_not_drawn_anew_and_the_interval_says_so() -> None:
    values = np.random.default_rng(0).exponential(1.0, 20_002)
    few, many = mean_interval(values[:20_000]), mean_interval(values)
    assert few is not None
    assert many is not None
    assert (few.method, many.method.partition(",")[0]) == (
        "percentile bootstrap of row values, 1000 draws, seed 0",
        "normal",
    )
    assert [many.low, many.high] == pytest.approx([few.low, few.high], rel=3e-3)


def test_a_band_is_the_interval_of_each_column() -> None:
    values = np.random.default_rng(0).standard_normal((50, 3)) * [1.0, 10.0, 100.0]
    band = mean_band(values)
    assert band is not None
    np.testing.assert_allclose(band.high - band.low, (band.high - band.low)[0] * np.array([1, 10, 100]), rtol=0.4)
    single = mean_interval(values[:, 0])
    assert single is not None
    assert single.low == pytest.approx(band.low[0], rel=0.2)


def test_the_jackknife_gives_a_means_standard_error() -> None:
    values = np.random.default_rng(0).standard_normal(800)
    covered = 0
    for seed in range(100):
        values = np.random.default_rng(seed).standard_normal(80)
        found = jackknife_interval(lambda some, values=values: float(values[some].mean()), 80)  # type: ignore[misc]
        assert found is not None
        covered += found.low <= 0 <= found.high
    assert 88 <= covered <= 99


def test_too_few_rows_have_no_interval() -> None:
    assert mean_interval(np.array([1.0])) is None
    assert share_interval(0, 0) is None
    assert jackknife_interval(lambda some: float(len(some)), 15) is None
