"""Trustworthiness and continuity."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_s_curve
from sklearn.manifold import trustworthiness

from models.errors import ShapeError
from models.measures.neighbourhoods import neighbourhood_preservation


def test_the_same_space_up_to_scale_is_kept_whole() -> None:
    rows = np.random.default_rng(0).standard_normal((100, 5))
    kept = neighbourhood_preservation(rows, 3 * rows)
    assert (kept.trustworthiness, kept.continuity, kept.neighbours) == (1.0, 1.0, 10)
    assert kept.trustworthiness_interval is not None
    assert kept.trustworthiness_interval.high == 1.0


def test_a_projection_is_continuous_and_a_torn_code_trustworthy() -> None:
    curve, _ = make_s_curve(300, random_state=0)
    # Seen from above the S lies on itself: strangers become neighbours, neighbours stay neighbours.
    flat = neighbourhood_preservation(curve, curve[:, :1])
    assert flat.continuity > flat.trustworthiness + 0.05
    # Cut in the middle and moved apart: neighbours are torn, no strangers meet.
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], 1)
    torn = neighbourhood_preservation(circle, angle[:, None])
    assert torn.trustworthiness > torn.continuity
    assert torn.trustworthiness == pytest.approx(trustworthiness(circle, angle[:, None], n_neighbors=10))
    assert torn.continuity == pytest.approx(trustworthiness(angle[:, None], circle, n_neighbors=10))


def test_the_interval_covers_what_many_draws_give_on_average() -> None:
    def drawn(seed: int) -> np.ndarray:
        return np.random.default_rng(seed).standard_normal((64, 3))

    figures = [neighbourhood_preservation(rows, rows[:, :1], neighbours=5) for rows in map(drawn, range(40))]
    average = np.mean([figure.trustworthiness for figure in figures])
    intervals = [figure.trustworthiness_interval for figure in figures]
    covered = [i is not None and bool(i.low <= average <= i.high) for i in intervals]
    assert 0.85 <= np.mean(covered) <= 1.0
    widths = [i.high - i.low for i in intervals if i is not None]
    spread = np.std([figure.trustworthiness for figure in figures])
    assert np.median(widths) < 12 * spread


def test_few_rows_have_fewer_neighbours_and_too_few_are_refused() -> None:
    rows = np.random.default_rng(0).standard_normal((17, 2))
    assert neighbourhood_preservation(rows, rows).neighbours == 5
    with pytest.raises(ShapeError, match="at least 4"):
        neighbourhood_preservation(rows[:3], rows[:3])
