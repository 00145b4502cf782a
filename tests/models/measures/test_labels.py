"""What a code is worth to labels."""

from __future__ import annotations

import numpy as np
import pytest
from jaxtyping import Float32, Int64

from models.errors import ShapeError
from models.measures.labels import STRENGTHS, linear_probe, nearest_neighbour_accuracy

Labelled = tuple[Float32[np.ndarray, "rows 2"], Int64[np.ndarray, " rows"]]


def rings(rows: int, seed: int) -> Labelled:
    """A small ring inside a large one: no line tells them apart."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, rows)
    angle, radius = random.uniform(0, 2 * np.pi, rows), 1.0 + 2.0 * labels
    return (radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)).astype(np.float32), labels


def test_neighbours_vote_for_the_label() -> None:
    codes = np.array([[0.0], [0.1], [1.0], [1.1]], dtype=np.float32)
    labels = np.array([0, 0, 1, 1])
    asked, truth = np.array([[0.05], [1.05], [1.2]], dtype=np.float32), np.array([0, 1, 0])
    assert nearest_neighbour_accuracy(codes, labels, asked, truth) == pytest.approx(2 / 3)
    assert nearest_neighbour_accuracy(codes, labels, asked, truth, neighbours=9) == pytest.approx(2 / 3)


def test_a_linear_probe_tells_apart_what_a_line_tells_apart_and_nothing_else() -> None:
    train, validation, test = rings(200, 0), rings(100, 1), rings(100, 2)
    assert linear_probe(train, validation, test).accuracy < 0.7
    # The squared radius is a linear function of the squares.
    lifted = [(np.square(codes), labels) for codes, labels in (train, validation, test)]
    assert linear_probe(*lifted).accuracy == 1.0
    # Of any scale: codes are standardised.
    shrunk = [((1e-4 * codes + 7).astype(np.float64), labels) for codes, labels in lifted]
    assert linear_probe(*shrunk).accuracy == 1.0


def test_the_probes_regularisation_is_chosen_on_validation_rows_alone() -> None:
    random = np.random.default_rng(0)
    train_codes, labels = random.standard_normal((40, 60)), random.integers(0, 2, 40)
    codes, truth = random.standard_normal((200, 60)), random.integers(0, 2, 200)
    train = (train_codes, labels)
    # Validation rows that are the training rows ask for the weakest; noise decides by itself, whatever the test says.
    memorised = linear_probe(train, train, (codes, truth))
    assert memorised.strength > STRENGTHS[0]
    assert memorised.validation_accuracy == 1.0
    chosen = linear_probe(train, (codes, truth), (codes, truth))
    flipped = linear_probe(train, (codes, truth), (codes, 1 - truth))
    assert flipped.strength == chosen.strength
    assert flipped.accuracy == pytest.approx(1 - chosen.accuracy)


def test_a_probe_needs_two_labels() -> None:
    codes, labels = np.zeros((5, 2), np.float32), np.zeros(5, np.int64)
    with pytest.raises(ShapeError, match="at least two labels"):
        linear_probe((codes, labels), (codes, labels), (codes, labels))
