"""What a code is worth to somebody who has labels: nearest neighbours and a linear probe."""

from __future__ import annotations

import warnings
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from models.errors import ShapeError

# scikit-learn's C, the inverse of the weight of the squared norm; from strong to weak.
STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0)
_ITERATIONS = 100


def nearest_neighbour_accuracy(
    train_codes: Float[np.ndarray, "train d"],
    train_labels: Int64[np.ndarray, " train"],
    test_codes: Float[np.ndarray, "test d"],
    test_labels: Int64[np.ndarray, " test"],
    neighbours: int = 1,
) -> float:
    """The share of test rows whose label the nearest training codes (Euclidean) vote for; in [0, 1]."""
    classifier = KNeighborsClassifier(n_neighbors=min(neighbours, len(train_codes)))
    classifier.fit(train_codes, train_labels)
    return float(np.mean(classifier.predict(test_codes) == test_labels))


@dataclass(frozen=True)
class LinearProbe:
    """What a linear classifier on a frozen code reaches.

    accuracy: share of test rows, in [0, 1]. strength: the C that did best on validation rows. validation_accuracy:
    what it reached there.
    """

    accuracy: float
    strength: float
    validation_accuracy: float


def linear_probe(
    train: tuple[Float[np.ndarray, "train d"], Int64[np.ndarray, " train"]],
    validation: tuple[Float[np.ndarray, "validation d"], Int64[np.ndarray, " validation"]],
    test: tuple[Float[np.ndarray, "test d"], Int64[np.ndarray, " test"]],
) -> LinearProbe:
    """Multinomial logistic regression on standardised codes: is what the labels tell apart linear in the code?

    Standardised by the training codes. The regularisation is chosen on the validation rows, the strongest of equals;
    the test rows are looked at once, by the chosen one.

    Args:
        train: codes and their labels, at least two different ones.
        validation: likewise, at least 1 row.
        test: likewise.

    Raises:
        ShapeError: the training rows have fewer than two labels.

    Source: Alain & Bengio 2016.
    """
    (codes, labels), (validation_codes, validation_labels), (test_codes, test_labels) = train, validation, test
    if len(np.unique(labels)) < 2:
        raise ShapeError("training rows of one label came; a linear probe expects at least two labels")
    scaler = StandardScaler().fit(codes)
    inputs = scaler.transform(codes)
    model = LogisticRegression(max_iter=_ITERATIONS, tol=1e-3, warm_start=True)
    best, reached = model, -1.0
    # On one thread: the products are so small that handing them out costs more than it saves.
    with threadpool_limits(1), warnings.catch_warnings():
        # One that is still moving is judged on the validation rows like the others.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for strength in STRENGTHS:
            # Each starts where the stronger one ended.
            model.set_params(C=strength).fit(inputs, labels)
            accuracy = float(np.mean(model.predict(scaler.transform(validation_codes)) == validation_labels))
            if accuracy > reached:
                best, reached = deepcopy(model), accuracy
    hits = best.predict(scaler.transform(test_codes)) == test_labels
    return LinearProbe(float(np.mean(hits)), float(best.C), reached)
