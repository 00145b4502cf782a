"""Rows from files that a person names: one `.npy`, or images of one size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float32
from PIL import Image, UnidentifiedImageError

from flows.steps.errors import FlowError
from flows.steps.pixels import colour_of, is_transparent, pixels_of

_Seen = TypeVar("_Seen")


class RowFileError(FlowError):
    """A file does not hold rows; the message names it."""


def read_rows(files: Sequence[Path]) -> Float32[np.ndarray, "batch ..."]:
    """Rows in the data's own units.

    Args:
        files: one `.npy` of shape (batch, ...), or images, as `flows.steps.pixels` reads them; those of one
            call have an opacity if any of them does.

    Raises:
        RowFileError: a file is missing, is neither, or the images differ in size or colour.
    """
    if len(files) == 1 and files[0].suffix == ".npy":
        return _read_npy(files[0])
    transparent = [_read_image(path, is_transparent) for path in files]
    images = [_read_image(path, partial(_as_row, with_opacity=any(transparent))) for path in files]
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


def _as_row(image: Image.Image, *, with_opacity: bool) -> Float32[np.ndarray, "height width ..."]:
    if colour_of(image) is None:
        raise ValueError(f"its mode {image.mode} is not read")
    return pixels_of(image, with_opacity=with_opacity).astype(np.float32)


def _read_image(path: Path, look: Callable[[Image.Image], _Seen]) -> _Seen:
    try:
        with Image.open(path) as image:
            return look(image)
    except (OSError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise RowFileError(f"{path}: expected a .npy or an image ({error})") from error
