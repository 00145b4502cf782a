"""What the client gives a program: the service's answers as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Embedding:
    """Codes (rows, code size), the space they are in, and the release that made them all."""

    codes: Floats
    space: str
    release: str


@dataclass(frozen=True)
class Classification:
    """The likeliest label of each row, and the probability of each (rows, classes), named by `label_names`."""

    labels: tuple[str, ...]
    probabilities: Floats
    label_names: tuple[str, ...]
    space: str
    release: str


@dataclass(frozen=True)
class Samples:
    """New rows (count, *shape) and their codes, with the space and the release.

    method: by which they were drawn. steps: of the chain.
    density_percentile: the share of the training codes that are less dense than each code, in percent; None where the
        release states none.
    round_trip_error: squared error of x -> z -> x, summed over features, scaled units.
    nearest_distance: Euclidean distance to the nearest of `reference_rows` training rows, scaled units; None where the
        release keeps none.
    """

    rows: Floats
    codes: Floats
    space: str
    release: str
    method: str
    steps: int
    density_percentile: Floats | None
    round_trip_error: Floats
    nearest_distance: Floats | None
    reference_rows: int


class SampleOptions(TypedDict, total=False):
    """How rows are drawn; None, or left out: as the release says.

    method: density, walkback or jacobian_walk. steps: of a chain.
    temperature: of the density; below 1 the rows are likelier and more alike.
    """

    method: str | None
    steps: int | None
    temperature: float | None


@dataclass(frozen=True)
class Scores:
    """How unusual each row is; four arrays (rows,), with the space and the release.

    reconstruction_error: x -> z -> x: squared error, summed over features, scaled units.
    reconstruction_p: the share of unseen rows that are rebuilt as badly.
    latent_distance: Mahalanobis distance of the code to the training codes' mean.
    latent_p: the share of unseen rows whose codes are as far. A row is unusual if either share is small.
    """

    reconstruction_error: Floats
    reconstruction_p: Floats
    latent_distance: Floats
    latent_p: Floats
    space: str
    release: str


@dataclass(frozen=True)
class Neighbors:
    """The nearest reference rows of each row or code, the nearest first, with the space and the release.

    ids: (rows, k), their numbers in the release's `reference/`. distances: (rows, k), Euclidean, in the code.
    map: (rows, k, 2), where they are on the release's map.
    labels: a list of k a row, None where a reference row has none; None where the release keeps none.
    """

    ids: npt.NDArray[np.int64]
    distances: Floats
    map: Floats
    labels: list[list[str | None]] | None
    space: str
    release: str


@dataclass(frozen=True)
class Path:
    """Rows (steps, *shape) on the way between two, and their codes, with the space and the release."""

    rows: Floats
    codes: Floats
    space: str
    release: str
