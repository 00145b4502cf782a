"""What is measured: a release as the service runs it, its dataset, and its stack for derivatives."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from flows.steps.datasets import Dataset, Split
from models.preprocessing import Preprocessing
from models.recipe import Recipe
from models.stack import Stack
from service.runtime import Runtime

# The same rows for every release of a dataset, whatever it was trained with.
SAMPLE_SEED = 0
# Numbers of one sample in memory: 128 MiB of float32.
_MOST_ENTRIES = 2**25


@dataclass(frozen=True)
class Subject:
    """A release and all that its figures are computed from.

    runtime: encoder, decoder and density, as served. dataset: with its frozen split. recipe: what was trained.
    preprocessing, stack: the network in torch, on the CPU, for derivatives alone.
    """

    runtime: Runtime
    dataset: Dataset
    recipe: Recipe
    preprocessing: Preprocessing
    stack: Stack

    @property
    def code_size(self) -> int:
        """d_z."""
        return self.runtime.manifest.code.size

    @property
    def features(self) -> int:
        """Entries of one row."""
        return math.prod(self.dataset.record.shape)

    @property
    def scale(self) -> Float32[np.ndarray, "..."]:
        """What one scaled unit is: of shape () or of a row."""
        stated = np.asarray(self.runtime.manifest.input.scale, np.float32)
        return stated.reshape(()) if stated.size == 1 else stated.reshape(self.dataset.record.shape)

    def indices(self, split: Split, most: int) -> Int64[np.ndarray, " rows"]:
        """Which rows of a split are looked at: a fixed sample, of no more than fits into 128 MiB."""
        return sample_indices(self.dataset, split, SAMPLE_SEED, self.affordable(most))

    def rows(self, split: Split, most: int) -> Float32[np.ndarray, "rows ..."]:
        """The rows of that sample, in the data's own units."""
        return sample_rows(self.dataset, split, SAMPLE_SEED, self.affordable(most))

    def flat(self, rows: Float32[np.ndarray, "rows ..."]) -> Float32[np.ndarray, "rows x"]:
        """Rows in scaled units, flattened: their distances are those that reconstruction errors are measured in."""
        scaled: Float32[np.ndarray, "rows x"] = (rows / self.scale).reshape(len(rows), -1).astype(np.float32)
        return scaled

    def affordable(self, most: int) -> int:
        """`most`, or as many rows as 128 MiB hold."""
        return max(1, min(most, _MOST_ENTRIES // self.features))


def sample_indices(dataset: Dataset, split: Split, seed: int, most: int) -> Int64[np.ndarray, " rows"]:
    """A fixed sample of a split's rows, as ascending indices: splits keep their source's order, often by label."""
    return np.sort(np.random.default_rng(seed).permutation(dataset.record.rows[split])[:most])


def sample_rows(dataset: Dataset, split: Split, seed: int, most: int) -> Float32[np.ndarray, "rows ..."]:
    """The rows of such a sample, in the data's own units."""
    chosen = dataset.rows(split)[sample_indices(dataset, split, seed, most)]
    rows: Float32[np.ndarray, "rows ..."] = chosen.astype(np.float32)
    return rows
