"""Precision, recall, density and coverage of samples."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import ShapeError
from models.measures.sample_quality import SampleQuality, sample_quality


def figures(quality: SampleQuality) -> tuple[float, float, float, float]:
    return quality.precision, quality.recall, quality.density, quality.coverage


def cloud(seed: int, rows: int = 500) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, 4))


def test_the_rows_themselves_are_perfect_samples_and_a_far_cloud_is_none() -> None:
    precision, recall, density, coverage = figures(sample_quality(cloud(0), cloud(0)))
    assert (precision, recall, coverage) == (1, 1, 1)
    # Each of the n balls holds its own row and its k neighbours.
    assert density == pytest.approx(6 / 5)
    assert figures(sample_quality(cloud(0), cloud(1) + 100)) == (0, 0, 0, 0)


def test_another_draw_of_the_same_distribution_has_density_one_and_the_papers_expected_coverage() -> None:
    precision, recall, density, coverage = figures(sample_quality(cloud(0, 2000), cloud(1, 2000)))
    assert density == pytest.approx(1, abs=0.06)
    # Naeem et al. 2020, lemma 2, for equal numbers: 1 - 2^-k.
    assert coverage == pytest.approx(1 - 2**-5, abs=0.015)
    assert precision == pytest.approx(recall, abs=0.02)


def test_one_mode_of_two_is_precise_and_recalls_half() -> None:
    real = np.concatenate([cloud(0), cloud(1) + 100])
    one_mode = sample_quality(real, np.concatenate([cloud(2), cloud(3)]))
    assert one_mode.precision > 0.9
    assert one_mode.recall == pytest.approx(0.5, abs=0.05)
    assert one_mode.coverage == pytest.approx(0.5, abs=0.05)
    # The other way round the samples make up what is not there.
    made_up = sample_quality(np.concatenate([cloud(2), cloud(3)]), real)
    assert made_up.precision == pytest.approx(0.5, abs=0.05)
    assert made_up.recall > 0.9


def test_by_hand_on_a_line() -> None:
    real, samples = np.array([[0.0], [1.0], [3.0]]), np.array([[0.5], [9.0]])
    quality = sample_quality(real, samples, neighbours=1)
    # Balls of real rows: 0±1, 1±1, 3±2; of samples: 0.5±8.5, 9±8.5.
    assert quality.realistic.tolist() == [True, False]
    assert quality.within.tolist() == [2, 0]
    assert quality.covered.tolist() == [True, True, False]
    assert quality.recalled.tolist() == [True, True, True]


def test_rows_that_are_all_the_same_count_as_alike() -> None:
    same = np.full((20, 3), 0.1, np.float32)
    assert figures(sample_quality(same, same)) == (1, 1, 4, 1)
    with pytest.raises(ShapeError, match="at least 2"):
        sample_quality(np.ones((1, 3)), np.ones((20, 3)))
