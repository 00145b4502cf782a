"""Figures of exported networks, each with its split and its number of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from flows.steps.datasets import Dataset, Split
from flows.steps.latent import squared_errors
from models.representation import nearest_neighbour_accuracy, pca_squared_error
from service.release.manifest import Metric
from service.sessions import open_session, run_session

_NEIGHBOUR_TRAIN_ROWS = 10_000
_NEIGHBOUR_TEST_ROWS = 2_000
# The same rows for every release of a dataset, whatever it was trained with.
_SAMPLE_SEED = 0


@dataclass(frozen=True)
class Networks:
    """The two graphs of a release, opened as the service opens them."""

    encoder: Any
    decoder: Any

    @classmethod
    def open(cls, folder: Path) -> Networks:
        """Open `encoder.onnx` and `decoder.onnx` below a folder, on the CPU.

        Raises:
            ModelLoadError: a graph cannot be loaded.
        """
        return cls(*(open_session(folder / f"{name}.onnx", "cpu", 1) for name in ("encoder", "decoder")))

    def encode(self, rows: Float32[np.ndarray, "batch ..."], output: str = "z") -> Float32[np.ndarray, "batch code"]:
        """Codes of rows in the data's own units; `output` names an inner layer's code."""
        return run_session(self.encoder, "x", output, rows)

    def decode(self, codes: Float32[np.ndarray, "batch code"]) -> Float32[np.ndarray, "batch ..."]:
        """Rows in the data's own units."""
        return run_session(self.decoder, "z", "x", codes)


def evaluate(networks: Networks, dataset: Dataset, scale: tuple[float, ...]) -> Iterator[Metric]:
    """Reconstruction on the test split beside PCA's with as many numbers, and what neighbours in the code are worth.

    Args:
        networks: the exported graphs.
        dataset: with its frozen split.
        scale: what one unit of reconstruction error is, one number or one a feature.
    """
    test = dataset.rows("test")[:].astype(np.float32)
    codes = networks.encode(test)
    errors = squared_errors(test, networks.decode(codes), scale)
    unit = "squared scaled units per row"
    yield _metric("squared_error", float(errors.mean()), unit, len(test), "lower")
    baseline = _pca_error(dataset, test, scale, codes.shape[1])
    yield _metric("squared_error_of_pca", baseline, unit, len(test), "lower")
    yield from _neighbour_metrics(networks, dataset, test, codes)


def sample_indices(dataset: Dataset, split: Split, seed: int, most: int) -> np.ndarray:
    """A fixed sample of a split's rows, as ascending indices: splits keep their source's order, often by label."""
    return np.sort(np.random.default_rng(seed).permutation(dataset.record.rows[split])[:most])


def sample_rows(dataset: Dataset, split: Split, seed: int, most: int) -> Float32[np.ndarray, "rows ..."]:
    """The rows of such a sample, in the data's own units."""
    chosen = dataset.rows(split)[sample_indices(dataset, split, seed, most)]
    rows: Float32[np.ndarray, "rows ..."] = chosen.astype(np.float32)
    return rows


def _pca_error(dataset: Dataset, test: np.ndarray, scale: tuple[float, ...], code_size: int) -> float:
    unit = np.asarray(scale, np.float32).reshape(-1 if len(scale) == 1 else dataset.record.shape)
    train = dataset.rows("train")
    # One unit for all features needs no scaled copy of the training rows.
    if len(scale) == 1:
        return pca_squared_error(train, test, code_size) / float(scale[0]) ** 2
    return pca_squared_error(train / unit, test / unit, code_size)


def _neighbour_metrics(networks: Networks, dataset: Dataset, test: np.ndarray, codes: np.ndarray) -> Iterator[Metric]:
    train_labels, test_labels = dataset.labels("train"), dataset.labels("test")
    if train_labels is None or test_labels is None:
        return
    known = sample_indices(dataset, "train", _SAMPLE_SEED, _NEIGHBOUR_TRAIN_ROWS)
    asked = sample_indices(dataset, "test", _SAMPLE_SEED, _NEIGHBOUR_TEST_ROWS)
    train = dataset.rows("train")[known].astype(np.float32)
    for name, left, right in (
        ("neighbour_accuracy", networks.encode(train), codes),
        ("neighbour_accuracy_of_inputs", train.reshape(len(train), -1), test.reshape(len(test), -1)),
    ):
        share = nearest_neighbour_accuracy(left, train_labels[known], right[asked], test_labels[asked])
        yield _metric(name, share, "share of rows", len(asked), "higher")


def _metric(name: str, value: float, unit: str, rows: int, better: str) -> Metric:
    return Metric.model_validate(
        {"name": name, "value": value, "unit": unit, "split": "test", "rows": rows, "better": better}
    )
