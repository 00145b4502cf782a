"""Nested lists of numbers, as JSON has them, straight to float32: the quick way for rows that are as they should be."""

from __future__ import annotations

import math
import struct
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np

from service.sessions import Floats

# Numbers of one row that are packed at once.
_LONGEST_ROW = 2**20


def as_floats(rows: list[Any]) -> Floats | None:
    """Nested lists of numbers -> finite float32 of their shape, the nearest to each double.

    A row is packed whole, in a third of the time that numpy takes, which looks at each number twice.

    Args:
        rows: without a `true` or `false` anywhere, which would be taken for 1 and 0.

    Returns:
        None where they are no lists of one shape, or not of numbers of a usual size: the slow way says what and where.
    """
    shape = _first_lengths(rows)
    row_shape = shape[1:] if len(shape) > 1 else shape
    size = math.prod(row_shape)
    if not 0 < size <= _LONGEST_ROW:
        return None
    pack = _packer(size).pack
    try:
        if len(shape) == 1:
            packed = pack(*rows)
        elif len(shape) == 2:
            packed = b"".join([pack(*row) for row in rows])
        else:
            packed = b"".join([pack(*_in_line(row, row_shape)) for row in rows])
    except (struct.error, TypeError, OverflowError):
        return None
    floats: Floats = np.frombuffer(packed, np.float32)
    return floats.reshape(shape) if surely_finite(floats) else None


def surely_finite(floats: Floats) -> bool:
    """Whether all numbers of a contiguous array are finite, and none is so large that its square is not."""
    flat = floats.reshape(-1)
    with np.errstate(all="ignore"):
        # One pass without an array in between: what is not finite stays so in products and sums.
        return math.isfinite(flat.dot(flat))


@lru_cache(maxsize=16)
def _packer(size: int) -> struct.Struct:
    return struct.Struct(f"{size}f")


def _first_lengths(rows: list[Any]) -> tuple[int, ...]:
    """The shape of nested lists, by the first of each."""
    lengths = []
    value: Any = rows
    while isinstance(value, list):
        lengths.append(len(value))
        value = value[0] if value else None
    return tuple(lengths)


def _in_line(row: list[Any], shape: tuple[int, ...]) -> list[Any]:
    """The numbers of one row; packing them counts them.

    Raises:
        TypeError: its lists are not of the lengths in `shape`, or are none.
    """
    for length in shape[1:]:
        if set(map(len, row)) != {length}:
            raise TypeError("lists of different lengths")
        row = list(chain.from_iterable(row))
    return row
