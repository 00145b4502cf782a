"""What a program gives, as requests."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from service.client.answers import SampleOptions
from service.client.errors import ServiceError
from service.client.wire import JSON, NPY, Request

# A service takes 64 MiB unless it is told otherwise.
_BYTES_PER_REQUEST = 32 * 2**20


class Body(NamedTuple):
    """The bytes of a request and their type."""

    content: bytes
    media_type: str


def bodies(rows: npt.ArrayLike, most_rows: int) -> Iterator[Body]:
    """Rows, cut into requests; each is built when it is asked for.

    Args:
        rows: (batch, ...); or the bytes of a PNG, JPEG or WebP, or a list of such, each of which is one row.
        most_rows: rows of one request.

    Raises:
        ServiceError: they are neither; before the first is built.
    """
    images = [rows] if isinstance(rows, bytes) else rows
    if isinstance(images, (list, tuple)) and images and all(isinstance(image, bytes) for image in images):
        return iter([Body(image, _media_type(image)) for image in images if isinstance(image, bytes)])
    array = as_array(rows)
    if array.ndim == 0 or len(array) == 0:
        # The service says what is wrong with it.
        return iter([Body(_to_npy(array), NPY)])
    step = max(1, min(most_rows, _BYTES_PER_REQUEST * len(array) // max(array.nbytes, 1)))
    return (Body(_to_npy(array[start : start + step]), NPY) for start in range(0, len(array), step))


def body(rows: npt.ArrayLike) -> Body:
    """Rows as one request. Raises as `bodies` does."""
    (whole,) = bodies(rows, 1) if isinstance(rows, bytes) else (Body(_to_npy(as_array(rows)), NPY),)
    return whole


def as_array(rows: npt.ArrayLike) -> npt.NDArray[Any]:
    """Rows as an array of numbers.

    Raises:
        ServiceError: of different lengths, or values that are no numbers.
    """
    try:
        array = np.asarray(rows)
    except ValueError as error:
        raise _no_rows() from error
    if array.dtype.kind not in "biuf":
        raise _no_rows()
    return array


def either(rows: npt.ArrayLike | None, codes: npt.ArrayLike | None) -> tuple[str, npt.ArrayLike]:
    """The field that is given, "x" or "z", and what is given. Raises ServiceError where it is not one of the two."""
    if rows is not None and codes is None:
        return "x", rows
    if codes is not None and rows is None:
        return "z", codes
    raise ServiceError("invalid_value", "give one of rows and codes")


def posting(path: str, content: bytes, media_type: str, options: Mapping[str, Any], accept: str) -> Request:
    """Rows as a request; an option that is None is not said."""
    said = {name: value for name, value in options.items() if value is not None}
    return Request("POST", path, said, {"Content-Type": media_type, "Accept": accept}, content)


def sampling(count: int, seed: int, options: SampleOptions, accept: str) -> Request:
    """A request for new rows."""
    asked = {"count": count, "seed": seed} | {name: value for name, value in options.items() if value is not None}
    return Request("POST", "/v1/sample", {}, {"Content-Type": JSON, "Accept": accept}, json.dumps(asked).encode())


def _no_rows() -> ServiceError:
    return ServiceError("invalid_value", "rows of different lengths, or values that are no numbers")


def _media_type(image: bytes) -> str:
    if image.startswith(b"\x89PNG"):
        return "image/png"
    if image.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if image[:4] == b"RIFF" and image[8:12] == b"WEBP":
        return "image/webp"
    raise ServiceError("unsupported_type", "bytes came that are no PNG, JPEG or WebP; give numbers as an array")


def _to_npy(array: npt.NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
