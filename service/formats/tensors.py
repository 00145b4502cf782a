"""Tensors of the Open Inference Protocol: a datatype, a shape, and values as JSON or as bytes.

Bytes are little-endian, row-major, without padding; values in JSON are nested or flat (docs.nvidia.com, "Binary
Tensor Data Extension"; kserve/docs/predict-api/v2/required_api.md, "Tensor Data").
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from service.errors import InvalidValueError, MalformedError
from service.formats import json

_NUMBERS: Final = {"FP16": "<f2", "FP32": "<f4", "FP64": "<f8"} | {
    f"{sign}INT{8 * size}": f"<{kind}{size}" for sign, kind in (("", "i"), ("U", "u")) for size in (1, 2, 4, 8)
}
_MOST_DIMENSIONS = 8


class Declared(NamedTuple):
    """What a client says of a tensor before its values."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many values it has."""
        return math.prod(self.shape)


def declared(name: str, datatype: Any, shape: Any, max_rows: int) -> Declared:
    """Name, datatype and shape of a tensor, as they came.

    Raises:
        InvalidValueError: the datatype is none of numbers, or the shape none.
        TooLargeError: more than `max_rows` rows.
    """
    if not isinstance(datatype, str) or datatype not in _NUMBERS:
        came = f"{datatype:.20}" if isinstance(datatype, str) else json.kind_of(datatype)
        known = ", ".join(_NUMBERS)
        raise InvalidValueError(f"{name}: datatype {came} came, one of {known} expected", field=name)
    if not isinstance(shape, list) or not 1 <= len(shape) <= _MOST_DIMENSIONS:
        raise InvalidValueError(f"{name}: shape: 1 to {_MOST_DIMENSIONS} whole numbers expected", field=name)
    if not all(type(length) is int and length >= 0 for length in shape):
        raise InvalidValueError(f"{name}: shape: whole numbers from 0 expected", field=name)
    if shape[0] > max_rows:
        raise json.too_many_rows(name, shape[0], max_rows)
    return Declared(name, datatype, tuple(shape))


def read_json(value: Any, tensor: Declared, *, suspicious: bool) -> npt.NDArray[Any]:
    """Values of a JSON array, nested or flat -> an array of the declared shape.

    Args:
        value: what came under "data".
        tensor: what was said of it.
        suspicious: whether the text has a `true` or `false` anywhere, which numpy would take for 1 and 0.

    Raises:
        InvalidValueError: something that the datatype does not hold, or another shape than declared.
    """
    name, datatype, shape = tensor
    if datatype == "FP16":
        raise InvalidValueError(f"{name}: FP16 comes as binary data only", field=name)
    # Before each value is looked at.
    if isinstance(value, list) and len(value) not in (shape[0], tensor.size):
        raise _other_shape(tensor, (len(value),))
    # Whole numbers are looked at below as they came.
    read = json.read_floats if datatype == "FP32" else json.read_rows
    found = read(value, name, max(tensor.size, shape[0]), suspicious=suspicious)
    if found.shape not in (shape, (tensor.size,)):
        raise _other_shape(tensor, found.shape)
    if tensor.size == 0:
        return _no_rows()
    if np.dtype(_NUMBERS[datatype]).kind in "iu":
        limits = np.iinfo(_NUMBERS[datatype])
        if found.dtype.kind == "f" or found.min() < limits.min or found.max() > limits.max:
            raise InvalidValueError(
                f"{name}: {datatype} came, whole numbers from {limits.min} to {limits.max} expected", field=name
            )
    return found.reshape(shape)


def read_bytes(values: memoryview, tensor: Declared) -> npt.NDArray[Any]:
    """Binary values -> an array of the declared shape, which may share their memory.

    Raises:
        MalformedError: they are fewer or more bytes than datatype and shape say.
    """
    dtype = np.dtype(_NUMBERS[tensor.datatype])
    stated = tensor.size * dtype.itemsize
    if len(values) != stated:
        raise MalformedError(
            f"{tensor.name}: {len(values):,} bytes came, {stated:,} of {tensor.datatype} {list(tensor.shape)} expected",
            field=tensor.name,
        )
    if stated == 0:
        return _no_rows()
    array = np.frombuffer(values, dtype).reshape(tensor.shape)
    # The JSON before them may have any length, and ONNX Runtime reads whole words.
    return array if array.flags.aligned else array.copy()


def _other_shape(tensor: Declared, came: tuple[int, ...]) -> InvalidValueError:
    return InvalidValueError(
        f"{tensor.name}: data of shape {list(came)} came, {list(tensor.shape)} or {tensor.size} in a line expected",
        field=tensor.name,
    )


def _no_rows() -> npt.NDArray[Any]:
    """No values, whatever lengths the declared shape has beside its 0: numpy cannot hold all of those."""
    return np.empty(0, np.float32)
