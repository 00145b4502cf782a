"""A release's arrays, read and held against its manifest: what does not fit never goes live."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from service.density import Mixture, Spread
from service.drift.sketch import whiten
from service.release.manifest import Manifest
from service.sessions import ModelLoadError


def read_array(path: Path) -> npt.NDArray[Any]:
    """One array, memory-mapped.

    Raises:
        ModelLoadError: it cannot be read, or is none.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise ModelLoadError(f"{path} cannot be read: {error}") from error
    # An archive of several opens too.
    if not isinstance(array, np.ndarray):
        raise ModelLoadError(f"{path} is no array")
    return array


def read_density(folder: Path, manifest: Manifest) -> Mixture:
    """The density of a release.

    Raises:
        ModelLoadError: an array cannot be read, is of another size than the manifest says, or is no such thing:
            a weight that is not positive, a covariance that is singular.
    """
    count, size = manifest.density.components, manifest.code.size
    weights, means, cholesky = (
        _read_numbers(folder / "density" / f"{name}.npy", shape, "f")
        for name, shape in (("weights", (count,)), ("means", (count, size)), ("cholesky", (count, size, size)))
    )
    if count < 1 or not (weights > 0).all():
        raise ModelLoadError(f"release {folder.name}: the density's weights are not all positive")
    if not _are_roots(cholesky):
        raise ModelLoadError(f"release {folder.name}: a root of the density's covariances is none, or singular")
    return Mixture(weights, means, cholesky)


def read_spread(folder: Path, manifest: Manifest) -> Spread | None:
    """The spread of the training codes, and their cells; None, or no cells, of a release of before, which does not
    keep them.

    Raises:
        ModelLoadError: an array cannot be read, is of another size than the manifest says, is singular or empty.
    """
    path = folder / "latent" / "cholesky.npy"
    if not path.exists():
        return None
    size = manifest.code.size
    cholesky = np.asarray(_read_numbers(path, (size, size), "f"), np.float64)
    mean = np.asarray(manifest.latent.mean, np.float64)
    if mean.shape != (size,) or not _are_roots(cholesky):
        raise ModelLoadError(f"release {folder.name}: the spread of its codes has no mean, or a singular root")
    spread = Spread(mean, cholesky)
    if not np.isfinite(spread.whitening).all():
        raise ModelLoadError(f"release {folder.name}: the spread of its codes is singular")
    path = folder / "latent" / "cells.npy"
    if not path.exists():
        return spread
    cells = _read_numbers(path, (None, size), "f")
    if len(cells) == 0:
        raise ModelLoadError(f"{path} has no rows")
    return Spread(mean, cholesky, whiten(cells, spread))


class KnownPlaces(NamedTuple):
    """Where the reference rows lie: codes (n, code), map (n, 2), and labels (n,), indices of the manifest's
    `data.label_names`, below 0 where a row has none; None where the release keeps no labels."""

    codes: npt.NDArray[Any]
    map: npt.NDArray[Any]
    labels: npt.NDArray[Any] | None


def read_places(folder: Path, manifest: Manifest) -> KnownPlaces | None:
    """The codes, map and labels of the reference rows; None where the release keeps no codes.

    Raises:
        ModelLoadError: an array cannot be read, is of another size, or a label has no name.
    """
    at = folder / "reference"
    if not (at / "codes.npy").exists():
        return None
    codes = _read_numbers(at / "codes.npy", (None, manifest.code.size), "f")
    points = _read_numbers(at / "map.npy", (len(codes), 2), "f")
    if len(codes) == 0:
        raise ModelLoadError(f"{at / 'codes.npy'} has no rows")
    names = manifest.data.label_names
    if names is None or not (at / "labels.npy").exists():
        return KnownPlaces(codes, points, None)
    labels = _read_numbers(at / "labels.npy", (len(codes),), "i")
    if labels.max() >= len(names):
        raise ModelLoadError(f"{at / 'labels.npy'}: label {labels.max()} came, {len(names)} have a name")
    return KnownPlaces(codes, points, labels)


def read_reference(folder: Path, manifest: Manifest) -> npt.NDArray[Any] | None:
    """The training rows that a release keeps, (n, *shape), n at least 1; None where it keeps none and needs none.

    Raises:
        ModelLoadError: chains start from them and there are none, or they are not rows of the release's input.
    """
    path = folder / "reference" / "rows.npy"
    methods = () if manifest.sampling is None else manifest.sampling.methods
    if not path.exists() and set(methods) <= {"density"}:
        return None
    rows = _read_numbers(path, (None, *manifest.input.shape), "biuf")
    if len(rows) == 0:
        raise ModelLoadError(f"{path} has no rows")
    return rows


def _read_numbers(path: Path, shape: tuple[int | None, ...], kinds: str) -> npt.NDArray[Any]:
    """Finite numbers of a shape, None being any length, and of one of numpy's kinds."""
    array = read_array(path)
    fits = array.ndim == len(shape) and all(
        stated in (None, found) for found, stated in zip(array.shape, shape, strict=True)
    )
    if not fits or array.dtype.kind not in kinds:
        expected = ", ".join("rows" if length is None else str(length) for length in shape)
        raise ModelLoadError(f"{path}: {array.dtype} {array.shape} came, numbers ({expected}) expected")
    # Row by row: what is mapped need not fit in memory.
    if not all(np.isfinite(row).all() for row in array):
        raise ModelLoadError(f"{path} has numbers that are not finite")
    return array


def _are_roots(cholesky: npt.NDArray[Any]) -> bool:
    """Whether (..., size, size) are lower triangular, and not singular: their determinants are their diagonals'."""
    return not np.triu(cholesky, 1).any() and bool((np.diagonal(cholesky, axis1=-2, axis2=-1) > 0).all())
