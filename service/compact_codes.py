"""Codes in a byte a number, or in a bit: by what the release's manifest says of its training codes (`latent`).

Both are conventions of embedding servers: int8 by the range of each dimension, bits packed by numpy.packbits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from service.errors import InvalidValueError, NotKeptError
from service.release.manifest import Manifest
from service.sessions import Floats

Doubles = npt.NDArray[np.float64]


class Compact(NamedTuple):
    """Codes made small, and what undoes it."""

    codes: npt.NDArray[np.int8] | npt.NDArray[np.uint8]
    said: Mapping[str, Any]


class Int8(NamedTuple):
    """A code q says z ≈ q · scale + offset, dimension by dimension; both (code,).

    Within the range of the training codes no number is off by more than half its scale; beyond it, it becomes the
    range's end.
    """

    scale: Doubles
    offset: Doubles

    def __call__(self, z: Floats, /) -> Compact:
        """Codes (n, code) -> int8 (n, code)."""
        # A dimension that never moved in training has no steps, and is its offset.
        steps = np.divide(z - self.offset, self.scale, out=np.zeros(z.shape), where=self.scale > 0)
        codes = steps.round().clip(-128, 127).astype(np.int8)
        return Compact(codes, {"encoding": "int8", "scale": self.scale, "offset": self.offset})


class Bits(NamedTuple):
    """A bit says whether a number is above the training codes' mean, (code,)."""

    mean: Doubles

    def __call__(self, z: Floats, /) -> Compact:
        """Codes (n, code) -> uint8 (n, code / 8 rounded up), the first dimension highest; bits left over are 0."""
        packed = np.packbits(z > self.mean, axis=1)
        return Compact(packed, {"encoding": "binary", "threshold": self.mean, "bits": len(self.mean)})


def compacting(encoding: Literal["int8", "binary"], depth: int | None, manifest: Manifest) -> Int8 | Bits:
    """How codes of the live release are made small.

    Args:
        encoding: a byte, or a bit a number.
        depth: None for the code z, as `check_depth` gives it.
        manifest: of the live release.

    Raises:
        InvalidValueError: the code of an inner layer is asked for.
        NotKeptError: the release does not say what its training codes were like.
    """
    if depth is not None:
        raise InvalidValueError(
            f"encoding: {encoding} came with depth {depth}; a release keeps the range and mean of its last code only, "
            "leave depth out",
            field="encoding",
        )
    latent = manifest.latent
    least, most, mean = (np.asarray(values, np.float64) for values in (latent.minimum, latent.maximum, latent.mean))
    shape = (manifest.code.size,)
    kept = all(values.shape == shape and np.isfinite(values).all() for values in (least, most, mean))
    if not kept or (most < least).any():
        raise NotKeptError(f"the live release {manifest.version} does not keep the range and mean of its codes")
    if encoding == "binary":
        return Bits(mean)
    # The 256 values of a byte from the least to the most.
    scale = (most - least) / 255
    return Int8(scale, least + 128 * scale)
