"""Measures of a code and its reconstruction, on arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from models.batches import AnyRows, Rows, chunks
from models.contraction import exact_jacobian_norm
from models.errors import ShapeError


def squared_error_per_row(rows: AnyRows, reconstruction: AnyRows) -> Float64[np.ndarray, " rows"]:
    """Squared error of each row, summed over features; squared units of the rows.

    Hinton & Salakhutdinov 2006, figure 2B, gives its mean over the test images, pixels in [0, 1].

    Raises:
        ShapeError: the shapes differ.
    """
    if rows.shape != reconstruction.shape:
        raise ShapeError(f"rows {rows.shape} and reconstruction {reconstruction.shape} came; expected equal shapes")
    errors = np.empty(len(rows))
    for place, chunk in chunks(rows):
        difference = chunk.astype(np.float64) - reconstruction[place]
        errors[place] = np.square(difference).reshape(len(chunk), -1).sum(1)
    return errors


def pca_squared_error(train: AnyRows, test: AnyRows, code_size: int) -> float:
    """The squared error that PCA leaves on test rows, summed over features, mean over rows.

    It is the least that a linear encoder and decoder can reach on the training rows. Computed in float64.

    Args:
        train: rows that the principal components come from, at least 1; may be memory-mapped.
        test: rows that are reconstructed, at least 1; may be memory-mapped.
        code_size: number of components; with as many as features or more, the error is 0 but for rounding.
    """
    features = int(np.prod(train.shape[1:]))
    total, square = np.zeros(features), np.zeros((features, features))
    for _, chunk in chunks(train):
        flat = chunk.reshape(len(chunk), features).astype(np.float64)
        total += flat.sum(0)
        square += flat.T @ flat
    mean = total / len(train)
    _, vectors = np.linalg.eigh(square / len(train) - np.outer(mean, mean))
    components = vectors[:, max(0, features - code_size) :]
    error = 0.0
    for _, chunk in chunks(test):
        centred = chunk.reshape(len(chunk), features).astype(np.float64) - mean
        error += float(np.square(centred - centred @ components @ components.T).sum())
    return error / len(test)


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


def average_jacobian_norm(encode: Callable[[Tensor], Tensor], rows: Rows) -> float:
    """The Frobenius norm (not squared) of dh/dx, mean over rows, exactly.

    Args:
        encode: from (batch, *shape) to (batch, *code) on the CPU, each row by itself.
        rows: (n, *shape), n at least 1, scaled units.

    Source: Rifai et al. 2011, table 1.
    """
    total = 0.0
    for _, chunk in chunks(rows):
        total += float(exact_jacobian_norm(encode, torch.from_numpy(chunk)).sqrt().sum().item())
    return total / len(rows)
