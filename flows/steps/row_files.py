"""Rows from files that a person names: one `.npy`, or images of one size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from PIL import Image, UnidentifiedImageError

from flows.steps.errors import FlowError


class RowFileError(FlowError):
    """A file does not hold rows; the message names it."""


def read_rows(files: Sequence[Path]) -> Float32[np.ndarray, "batch ..."]:
    """Rows in the data's own units.

    Args:
        files: one `.npy` of shape (batch, ...), or images: grey ones give (height, width), others
            (height, width, 3), with values from 0 to 255.

    Raises:
        RowFileError: a file is missing, is neither, or the images differ in size or colour.
    """
    if len(files) == 1 and files[0].suffix == ".npy":
        return _read_npy(files[0])
    images = [_read_image(path) for path in files]
    for path, image in zip(files, images, strict=True):
        if image.shape != images[0].shape:
            raise RowFileError(f"{path}: shape {image.shape} came, {images[0].shape} expected as in {files[0]}")
    return np.stack(images)


def _read_npy(path: Path) -> Float32[np.ndarray, "batch ..."]:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise RowFileError(f"{path}: expected a .npy of numbers ({error})") from error
    if array.dtype.kind not in "fiu":
        raise RowFileError(f"{path}: dtype {array.dtype} came, numbers expected")
    rows: Float32[np.ndarray, "batch ..."] = array.astype(np.float32)
    return rows


def _read_image(path: Path) -> Float32[np.ndarray, "height width ..."]:
    try:
        with Image.open(path) as image:
            grey = image.mode in {"1", "L", "I;16", "I", "F"}
            return np.asarray(image.convert("L" if grey else "RGB"), dtype=np.float32)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise RowFileError(f"{path}: expected a .npy or an image ({error})") from error
