"""Saturation and contraction ratios, on encoders whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import ShapeError
from models.measures.encoders import contraction_ratios, dead_share, mean_distance, saturation_per_row
from models.recipe_parts import Activation


@pytest.mark.parametrize(
    ("activation", "codes", "shares"),
    [
        ("sigmoid", [[0.04, 0.5, 0.96, 0.06], [0.5, 0.5, 0.99, 0.94]], [0.5, 0.25]),
        ("tanh", [[-0.91, 0.0, 0.91, 0.89], [0.0, 0.0, 1.0, -0.89]], [0.5, 0.25]),
        ("relu", [[0.0, 0.1, 0.0, 7.0], [0.2, 0.1, 0.0, 7.0]], [0.5, 0.25]),
        ("linear", [[0.0, 99.0, -99.0, 1.0], [0.0, 0.0, 0.0, 0.0]], [0.0, 0.0]),
    ],
)
def test_saturated_units_are_counted_row_by_row(
    activation: Activation, codes: list[list[float]], shares: list[float]
) -> None:
    array = np.array(codes, np.float32)
    assert saturation_per_row(activation, array).tolist() == shares
    # In each example but the linear one, the third unit is saturated on both rows.
    assert dead_share(activation, array) == (0.0 if activation == "linear" else 0.25)


def test_tanh_and_sigmoid_saturate_at_the_same_point_of_their_curve() -> None:
    preactivation = np.linspace(-6, 6, 1001)[None]
    as_sigmoid = saturation_per_row("sigmoid", 1 / (1 + np.exp(-preactivation)))
    assert saturation_per_row("tanh", np.tanh(preactivation / 2)).tolist() == as_sigmoid.tolist()


def test_shrinking_all_codes_is_no_contraction() -> None:
    rows, radii = np.random.default_rng(0).uniform(-2, 2, (60, 5)).astype(np.float32), np.array([0.1, 1.0, 4.0])
    bent = contraction_ratios(np.tanh, rows, radii)
    np.testing.assert_allclose(contraction_ratios(lambda x: 1e-3 * np.tanh(x), rows, radii), bent, rtol=1e-3)
    # A turned and shrunk space is contracted nowhere.
    np.testing.assert_allclose(contraction_ratios(lambda x: 0.01 * x[:, ::-1], rows, radii), 1.0, rtol=2e-3)


def test_an_encoder_that_is_flat_near_the_rows_is_seen_to_contract_there() -> None:
    random = np.random.default_rng(0)
    centres = random.standard_normal((40, 3)).astype(np.float32) * 100

    def nearest_centre(x: np.ndarray) -> np.ndarray:
        nearest = np.square(x[:, None] - centres[None]).sum(2).argmin(1)
        return np.asarray(centres[nearest])

    ratios = contraction_ratios(nearest_centre, centres, np.array([1.0, 150.0])).mean(0)
    assert ratios[0] == 0
    assert ratios[1] > 0.3


def test_radii_and_distances_are_in_scaled_units() -> None:
    rows = np.random.default_rng(0).uniform(0, 1, (50, 2, 3)).astype(np.float32)
    scale = np.array([[1.0, 10.0, 100.0], [5.0, 50.0, 500.0]], np.float32)

    def encode(x: np.ndarray) -> np.ndarray:
        return np.asarray(np.square(x.reshape(len(x), -1)))

    plain = contraction_ratios(encode, rows, np.array([0.1, 0.5]))
    scaled = contraction_ratios(lambda x: encode(x / scale), rows * scale, np.array([0.1, 0.5]), scale=scale)
    np.testing.assert_allclose(scaled, plain, rtol=1e-3)
    assert mean_distance(np.array([[0.0], [1.0], [3.0]])) == pytest.approx(2.0)


def test_codes_that_are_all_the_same_have_no_ratio() -> None:
    with pytest.raises(ShapeError, match="expect different ones"):
        contraction_ratios(lambda x: np.zeros((len(x), 2), np.float32), np.eye(3, dtype=np.float32), np.ones(1))
