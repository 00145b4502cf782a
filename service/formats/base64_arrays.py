"""Arrays within JSON as base64: `{"base64": "...", "shape": [2, 784], "dtype": "float32"}`, row-major, little-endian.

Coming in and going out they have this one form, so that what one route answers another takes as it is.
"""

from __future__ import annotations

import base64
import binascii
import math
import sys
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from service.errors import InvalidValueError, MalformedError
from service.formats import json
from service.sessions import Floats

_NUMBERS: Final = {
    name: np.dtype(name).newbyteorder("<")
    for name in ("float32", "float64", "float16", *(f"{u}int{bits}" for u in ("", "u") for bits in (8, 16, 32, 64)))
}
_FIELDS: Final = ("base64", "shape", "dtype")
_MOST_DIMENSIONS = 8


def is_one(value: Any) -> bool:
    """Whether a value of JSON is meant to be such an array."""
    return isinstance(value, dict) and "base64" in value


def read(value: dict[str, Any], field: str, max_rows: int) -> npt.NDArray[Any]:
    """The array; "dtype" may be left out, and is float32 then.

    Raises:
        InvalidValueError: a field of it is missing, unknown or of the wrong kind.
        TooLargeError: more than `max_rows` rows.
        MalformedError: it is no base64, or of fewer or more bytes than shape and dtype say.
    """
    for name in value:
        if name not in _FIELDS:
            raise InvalidValueError(f"{field}.{name:.40}: unknown; known are: {', '.join(_FIELDS)}", field=field)
    shape, dtype = _shape(value.get("shape"), field), _dtype(value.get("dtype", "float32"), field)
    if shape[0] > max_rows:
        raise json.too_many_rows(field, shape[0], max_rows)
    text = value["base64"]
    if not isinstance(text, str):
        raise InvalidValueError(f"{field}.base64: {json.kind_of(text)} came, text expected", field=field)
    stated = math.prod(shape) * dtype.itemsize
    # Before it is decoded: 3 bytes are 4 characters.
    if len(text) != (stated + 2) // 3 * 4:
        raise MalformedError(
            f"{field}.base64: {len(text):,} characters came, {(stated + 2) // 3 * 4:,} expected of {stated:,} bytes, "
            f"{dtype.name} {list(shape)}",
            field=field,
        )
    try:
        content = binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise MalformedError(f"{field}.base64: not base64: {error}", field=field) from error
    if len(content) != stated:
        raise MalformedError(f"{field}.base64: {len(content):,} bytes came, {stated:,} expected", field=field)
    # No values: whatever lengths are beside the 0, numpy may not hold them.
    return np.frombuffer(content, dtype).reshape(shape) if stated else np.empty(0, np.float32)


def write(array: Floats) -> dict[str, Any]:
    """The array as a value of JSON."""
    values = np.ascontiguousarray(array, _NUMBERS["float32"])
    return {"base64": base64.b64encode(values.data).decode("ascii"), "shape": list(array.shape), "dtype": "float32"}


def _shape(value: Any, field: str) -> tuple[int, ...]:
    fits = isinstance(value, list) and 1 <= len(value) <= _MOST_DIMENSIONS
    if not fits or not all(type(length) is int and 0 <= length <= sys.maxsize for length in value):
        came = "nothing" if value is None else json.kind_of(value)
        raise InvalidValueError(
            f"{field}.shape: {came} came, an array of 1 to {_MOST_DIMENSIONS} whole numbers from 0 expected",
            field=field,
        )
    return tuple(value)


def _dtype(value: Any, field: str) -> np.dtype[Any]:
    if not isinstance(value, str) or value not in _NUMBERS:
        came = f"{value:.20}" if isinstance(value, str) else json.kind_of(value)
        raise InvalidValueError(f"{field}.dtype: {came} came, one of {', '.join(_NUMBERS)} expected", field=field)
    return _NUMBERS[value]
