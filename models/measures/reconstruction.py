"""How well rows are rebuilt, beside the best that a linear code of the same size can do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from models.batches import AnyRows, chunks
from models.errors import ShapeError

# Up to so many features the covariance is summed chunk by chunk; above, its size would be beyond a machine's memory.
_COVARIANCE_FEATURES = 4_096


def squared_error_per_row(rows: AnyRows, reconstruction: AnyRows) -> Float64[np.ndarray, " rows"]:
    """Squared error of each row, summed over features; squared units of the rows.

    Divided by the number of features it is the error per entry (per pixel, for grey images). Hinton & Salakhutdinov
    2006, figure 2B, gives its mean over the test images, pixels in [0, 1].

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


@dataclass(frozen=True)
class LinearCode:
    """Principal components: the linear encoder and decoder with the least squared error on the rows they come from.

    mean: (features,). components: (features, size), orthonormal, the largest variance last.
    """

    mean: Float64[np.ndarray, " features"]
    components: Float64[np.ndarray, "features size"]

    def encode(self, rows: AnyRows) -> Float64[np.ndarray, "rows size"]:
        """Coordinates of rows (n, *shape) along the components."""
        codes: Float64[np.ndarray, "rows size"] = (rows.reshape(len(rows), -1) - self.mean) @ self.components
        return codes

    def errors(self, rows: AnyRows) -> Float64[np.ndarray, " rows"]:
        """Squared error that the components leave of each row, summed over features."""
        left = np.empty(len(rows))
        for place, chunk in chunks(rows):
            centred = chunk.reshape(len(chunk), -1).astype(np.float64) - self.mean
            left[place] = np.square(centred - centred @ self.components @ self.components.T).sum(1)
        return left


def principal_components(
    train: AnyRows, size: int, seed: int = 0, scale: float | Float[np.ndarray, "..."] = 1.0
) -> LinearCode:
    """The first principal components of rows, in float64.

    Args:
        train: (n, *shape), n at least 1; may be memory-mapped, unless it has more than 4,096 features.
        size: number of components; of more than there are features, all are given.
        seed: for the randomised decomposition of rows with more than 4,096 features.
        scale: the components are those of the rows divided by it; one number, or one a feature, in a row's shape.

    Raises:
        ShapeError: more than 4,096 features, and fewer rows than components.
    """
    features = int(np.prod(train.shape[1:]))
    if features > _COVARIANCE_FEATURES:
        if min(len(train), features) < size:
            raise ShapeError(f"{len(train)} rows came; {size} components of {features} features expect as many")
        flat = (train / scale).reshape(len(train), features).astype(np.float32)
        fitted = PCA(size, svd_solver="randomized", random_state=seed).fit(flat)
        components = np.ascontiguousarray(fitted.components_[::-1].T, dtype=np.float64)
        return LinearCode(fitted.mean_.astype(np.float64), components)
    total, square = np.zeros(features), np.zeros((features, features))
    for _, chunk in chunks(train):
        flat = (chunk / scale).reshape(len(chunk), features).astype(np.float64)
        total += flat.sum(0)
        square += flat.T @ flat
    mean = total / len(train)
    # On one thread: on a busy machine several wait for each other far longer than they save.
    with threadpool_limits(1):
        _, vectors = np.linalg.eigh(square / len(train) - np.outer(mean, mean))
    return LinearCode(mean, vectors[:, max(0, features - size) :])


def pca_squared_error(train: AnyRows, test: AnyRows, code_size: int) -> float:
    """The squared error that PCA leaves on test rows, summed over features, mean over rows.

    It is the least that a linear encoder and decoder can reach on the training rows. Computed in float64.

    Args:
        train: rows that the principal components come from, at least 1; may be memory-mapped.
        test: rows that are reconstructed, at least 1; may be memory-mapped.
        code_size: number of components; with as many as features or more, the error is 0 but for rounding.
    """
    return float(principal_components(train, code_size).errors(test).mean())
