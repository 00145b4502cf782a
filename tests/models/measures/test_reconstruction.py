"""Measures of a code, and the density over codes."""

from __future__ import annotations

import numpy as np
import pytest
from jaxtyping import Float32
from sklearn.decomposition import PCA

from models.errors import ShapeError
from models.measures.reconstruction import pca_squared_error, principal_components, squared_error_per_row
from models.sampling import Density, fit_density

Digits = Float32[np.ndarray, "rows 8 8"]


def sample(density: Density, count: int) -> Float32[np.ndarray, "count d"]:
    """As the service does it, with numpy alone."""
    random = np.random.default_rng(0)
    chosen = random.choice(len(density.weights), size=count, p=density.weights / density.weights.sum())
    noise = random.standard_normal((count, density.means.shape[1])).astype(np.float32)
    moved = np.einsum("nij,nj->ni", density.cholesky[chosen], noise)
    drawn: Float32[np.ndarray, "count d"] = (density.means[chosen] + moved).astype(np.float32)
    return drawn


def two_clusters(rows: int) -> Float32[np.ndarray, "rows 3"]:
    """Two stretched clusters far apart, a third of the rows in the second; the last entry never moves."""
    random = np.random.default_rng(1)
    codes = np.full((rows, 3), 7.0, dtype=np.float32)
    first, second = random.standard_normal((2, rows))
    codes[:, 0] = 2 * first
    codes[:, 1] = first + 0.1 * second
    codes[: rows // 3, 0] += 100
    return codes


def test_the_squared_error_is_summed_over_a_rows_features() -> None:
    rows, reconstruction = np.zeros((3, 2, 2), np.float32), np.zeros((3, 2, 2), np.float32)
    reconstruction[1] = 2
    assert squared_error_per_row(rows, reconstruction).tolist() == [0, 16, 0]
    with pytest.raises(ShapeError, match="equal shapes"):
        squared_error_per_row(rows, reconstruction[:2])


def test_the_pca_baseline_is_scikit_learns(digits: Digits) -> None:
    train, test = digits[:1000].reshape(1000, 64), digits[1000:].reshape(-1, 64)
    pca = PCA(10).fit(train)
    expected = float(np.square(test - pca.inverse_transform(pca.transform(test))).sum(1).mean())
    assert pca_squared_error(digits[:1000], digits[1000:], 10) == pytest.approx(expected, rel=1e-4)
    assert pca_squared_error(digits[:1000], digits[1000:], 100) == pytest.approx(0, abs=1e-6)


def test_the_components_of_very_wide_rows_are_nearly_the_exact_ones() -> None:
    random = np.random.default_rng(0)
    directions = np.linalg.qr(random.standard_normal((5000, 3)))[0].T
    rows = ((random.standard_normal((60, 3)) * [9, 6, 3]) @ directions).astype(np.float32)
    rows += 0.01 * random.standard_normal(rows.shape).astype(np.float32)
    linear = principal_components(rows, 3)
    # The largest variance comes last, as for narrow rows.
    assert np.argsort(linear.encode(rows).std(0)).tolist() == [0, 1, 2]
    assert float(linear.errors(rows).mean()) == pytest.approx(5000 * 1e-4, rel=0.1)
    with pytest.raises(ShapeError, match="61 components"):
        principal_components(rows, 61)


def test_samples_of_the_fitted_density_are_distributed_like_the_codes() -> None:
    codes = two_clusters(3000)
    density = fit_density(codes, seed=0)
    drawn = sample(density, 20_000)
    assert float((drawn[:, 0] > 50).mean()) == pytest.approx(1 / 3, abs=0.02)
    near_drawn, near_codes = drawn[drawn[:, 0] < 50], codes[codes[:, 0] < 50]
    np.testing.assert_allclose(near_drawn.mean(0), near_codes.mean(0), atol=0.15)
    np.testing.assert_allclose(np.cov(near_drawn.T), np.cov(near_codes.T), atol=0.25)
    np.testing.assert_allclose(drawn[:, 2], 7.0, atol=0.1)


def test_one_gaussian_is_preferred_where_there_is_one() -> None:
    codes = np.random.default_rng(0).standard_normal((500, 2)).astype(np.float32)
    assert fit_density(codes, seed=0).weights.tolist() == [1.0]


def test_equal_seeds_give_equal_densities_and_at_most_ten_thousand_codes_are_used() -> None:
    codes = two_clusters(12_000)
    first, second = fit_density(codes, seed=3), fit_density(codes, seed=3)
    assert first.fitted_rows == 10_000
    for name in ("weights", "means", "cholesky"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()
        assert getattr(first, name).dtype == np.float32


def test_fewer_rows_than_dimensions_still_give_a_density() -> None:
    codes = np.random.default_rng(0).standard_normal((5, 30)).astype(np.float32)
    assert np.isfinite(sample(fit_density(codes, seed=0), 10)).all()
    with pytest.raises(ShapeError, match="at least 2"):
        fit_density(codes[:1], seed=0)


@pytest.mark.parametrize("clusters", [1, 3, 5, 9])
def test_the_density_has_as_many_components_as_the_codes_have_clusters(clusters: int) -> None:
    random = np.random.default_rng(2)
    # Equally far apart, along axes of their own.
    centres = 9 * np.eye(10)[:clusters]
    codes = (centres[random.integers(clusters, size=3_000)] + random.standard_normal((3_000, 10))).astype(np.float32)
    assert len(fit_density(codes, seed=0).weights) == clusters


def test_one_component_is_enough_where_it_has_more_numbers_than_there_are_rows() -> None:
    random = np.random.default_rng(3)
    codes = np.concatenate([random.standard_normal((200, 40)), 50 + random.standard_normal((200, 40))])
    assert len(fit_density(codes.astype(np.float32), seed=0).weights) == 1
