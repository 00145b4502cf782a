"""A release's arrays, read and held against its manifest: what does not fit never goes live."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from service.density import Mixture
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
    # Lower triangular: its determinant is the product of its diagonal.
    if np.triu(cholesky, 1).any() or not (np.diagonal(cholesky, axis1=1, axis2=2) > 0).all():
        raise ModelLoadError(f"release {folder.name}: a root of the density's covariances is none, or singular")
    return Mixture(weights, means, cholesky)


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
