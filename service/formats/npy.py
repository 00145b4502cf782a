"""npy bodies (`application/x-npy`): the header is read by a pattern, and never evaluated or unpickled.

The format is numpy's: `\\x93NUMPY`, two version bytes, the header's length, the header as a Python literal,
the values (numpy.lib.format).
"""

from __future__ import annotations

import io
import math
import re
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from service.errors import InvalidValueError, MalformedError

MEDIA_TYPE = "application/x-npy"

_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 10_000
# As numpy pads it, for most arrays: such are kept.
_USUAL_HEADER = 118
_MOST_DIMENSIONS = 8
_HEADER = re.compile(
    r"\{\s*'descr':\s*(?P<descr>'[^']{1,16}'|\[.*\])\s*,\s*'fortran_order':\s*(?P<fortran>True|False)\s*,"
    r"\s*'shape':\s*\((?P<shape>[\d,\s]{0,200})\)\s*,?\s*\}\s*",
    re.DOTALL,
)
_NUMBER = re.compile(r"[<>=|]?(?:[iu][1248]|f[248])")


def read(body: bytes, field: str) -> npt.NDArray[Any]:
    """The array in an npy file; its values share the body's memory.

    Raises:
        MalformedError: it is no npy file, or its values are fewer or more than its header says.
        InvalidValueError: it holds something else than numbers: objects, booleans, strings.
    """
    header, start = _header(body)
    dtype, shape, order = (_known if len(header) <= _USUAL_HEADER else _parsed)(header, field)
    stated = math.prod(shape) * dtype.itemsize
    if len(body) - start != stated:
        raise MalformedError(
            f"body: the npy header states {stated:,} bytes of values, {len(body) - start:,} came",
            field="body",
        )
    values = np.frombuffer(body, dtype, offset=start)
    try:
        return values.reshape(shape, order=order)
    except ValueError as error:
        # No values, and lengths beside the 0 that numpy cannot hold.
        raise InvalidValueError(f"{field}: shape {shape} came, which no array has", field=field) from error


def write(array: npt.NDArray[Any]) -> bytes:
    """The bytes of an npy file, version 1.0."""
    return b"".join((_written_header(array.dtype, array.shape), np.ascontiguousarray(array).data))


@lru_cache(maxsize=256)
def _written_header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, described)
    return buffer.getvalue()


class _Stated(NamedTuple):
    """What a header says."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    order: Literal["C", "F"]


def _parsed(header: bytes, field: str) -> _Stated:
    match = _HEADER.fullmatch(header.decode("latin-1"))
    if match is None:
        raise MalformedError("body: the npy header is not one that numpy writes", field="body")
    descr = match["descr"].strip("'")
    if not _NUMBER.fullmatch(descr):
        raise InvalidValueError(f"{field}: dtype {_dtype_name(descr)} came, integers or floats expected", field=field)
    shape = tuple(int(size) for size in match["shape"].replace(",", " ").split() if len(size) < 16)
    if len(shape) > _MOST_DIMENSIONS:
        raise InvalidValueError(f"{field}: {len(shape)} dimensions came", field=field)
    return _Stated(np.dtype(descr), shape, "F" if match["fortran"] == "True" else "C")


# Clients send the same few headers over and over.
_known = lru_cache(maxsize=256)(_parsed)


def _header(body: bytes) -> tuple[bytes, int]:
    """The header, and where the values begin."""
    if not body.startswith(_MAGIC) or len(body) < 12 or body[6] not in (1, 2, 3):
        raise MalformedError("body: not an npy file", field="body")
    # Version 1 has two bytes of length, 2 and 3 have four.
    start = 10 if body[6] == 1 else 12
    length = int.from_bytes(body[8:start], "little")
    if length > _LONGEST_HEADER or start + length > len(body):
        raise MalformedError(f"body: an npy header of {length:,} bytes is not there or too long", field="body")
    return body[start : start + length], start + length


def _dtype_name(descr: str) -> str:
    kinds = {"O": "object", "b": "boolean", "S": "bytes", "U": "string", "c": "complex", "[": "structured"}
    name = descr.lstrip("<>=|")
    return kinds.get(name[:1], name)
