"""How well test rows are rebuilt, beside PCA with as many numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from flows.steps.evaluation.figures import mean_of
from flows.steps.evaluation.subject import SAMPLE_SEED, Subject
from flows.steps.latent import squared_errors
from models.measures.reconstruction import LinearCode, principal_components
from service.release.manifest import Metric

_CHUNK_ROWS = 1_024
_CHUNK_ENTRIES = 2**22
# Multiply-adds of a covariance: MNIST's 54,000 training rows of 784 pixels are 3e10.
_COVARIANCE_WORK = 2**36
# Wider rows are decomposed in memory instead, of a sample.
_WIDE_FEATURES = 4_096
_WIDE_ROWS = 2_000


def linear_code(subject: Subject) -> LinearCode | None:
    """PCA with as many numbers as the code, in scaled units; of very many or very wide training rows, of a sample.

    None where the code has as many numbers as a row, so that PCA would leave nothing, or where the rows that are
    affordable are fewer than the components.
    """
    if subject.code_size >= subject.features:
        return None
    train = subject.dataset.rows("train")
    affordable = _COVARIANCE_WORK // subject.features**2
    if subject.features > _WIDE_FEATURES:
        affordable = subject.affordable(_WIDE_ROWS)
    if affordable < len(train):
        train = subject.rows("train", affordable)
    if len(train) < subject.code_size:
        return None
    return principal_components(train, subject.code_size, SAMPLE_SEED, subject.scale)


def reconstruction_metrics(subject: Subject, linear: LinearCode | None) -> Iterator[Metric]:
    """Squared error of all test rows, per row and per entry; they pass through in chunks."""
    test = subject.dataset.rows("test")
    ours, pca = np.empty(len(test)), np.empty(len(test))
    size = max(1, min(_CHUNK_ROWS, _CHUNK_ENTRIES // subject.features))
    for start in range(0, len(test), size):
        place = slice(start, min(start + size, len(test)))
        rows = test[place].astype(np.float32)
        ours[place] = squared_errors(rows, subject.runtime.reconstruct(rows), subject.runtime.manifest.input.scale)
        if linear is not None:
            pca[place] = linear.errors(subject.flat(rows))
    per_row, per_entry = "squared scaled units per row", "squared scaled units per entry"
    yield mean_of("squared_error", ours, per_row, "test", "lower")
    yield mean_of("squared_error_per_entry", ours / subject.features, per_entry, "test", "lower")
    if linear is not None:
        yield mean_of("squared_error_of_pca", pca, per_row, "test", "lower")
