"""JSON bodies: `{"x": [[...]]}`, with numbers and nothing but numbers in the rows."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from service.errors import InvalidValueError, MalformedError, TooLargeError
from service.formats.numbers import as_floats

_DEEPEST = 8
# What stops the parser: words for what is no number, or an exponent beyond a double.
_NOT_FINITE = re.compile(r"-?(?:NaN|Infinity|Inf|\d[\d.]*e\+?\d+)", re.IGNORECASE)
_FIELD = re.compile(r'"(\w{1,40})"\s*:')
_NAMES = {str: "a string", bool: "a boolean", type(None): "null", dict: "an object", list: "an array"}


def read_object(body: bytes) -> dict[str, Any]:
    """The fields of a JSON object; rows are still nested lists.

    Raises:
        MalformedError: it is no JSON.
        InvalidValueError: it is no object, or a number in it is NaN, infinite or beyond a double.
    """
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        _refuse_non_finite(error.doc, error.pos)
        raise MalformedError(f"body: not JSON: {error}", field="body") from error
    if not isinstance(fields, dict):
        raise InvalidValueError(f"body: {kind_of(fields)} came, an object expected", field="body")
    return fields


def read_floats(value: Any, field: str, max_rows: int, *, suspicious: bool) -> npt.NDArray[Any]:
    """Nested lists of numbers -> an array of their shape, float32 where that can be had quickly.

    Arguments and errors are those of `read_rows`, which says what is wrong.
    """
    if not suspicious and isinstance(value, list) and len(value) <= max_rows:
        floats = as_floats(value)
        if floats is not None:
            return floats
    return read_rows(value, field, max_rows, suspicious=suspicious)


def read_rows(value: Any, field: str, max_rows: int, *, suspicious: bool) -> npt.NDArray[Any]:
    """Nested lists of numbers -> an array of their shape.

    Args:
        value: what came under `field`.
        field: its name, for messages.
        max_rows: more rows are refused before they are looked at.
        suspicious: whether the body has a `true` or `false` anywhere, which numpy would take for 1 and 0.

    Raises:
        InvalidValueError: something that is no number, or rows of different lengths; the message says where.
        TooLargeError: too many rows.
    """
    if not isinstance(value, list):
        raise InvalidValueError(f"{field}: {kind_of(value)} came, an array of rows expected", field=field)
    if len(value) > max_rows:
        raise too_many_rows(field, len(value), max_rows)
    if suspicious:
        _shape(value, field, ())
    try:
        array = np.array(value)
    except ValueError:
        array = np.empty(0, object)
    if array.dtype.kind not in "iuf":
        # numpy says that something is wrong; this finds what and where.
        _shape(value, field, ())
        raise InvalidValueError(f"{field}: values came that are no numbers", field=field)
    return array


def has_booleans(body: bytes) -> bool:
    """Whether the text has a `true` or `false`, if only inside a string."""
    # One letter is found much faster than a word, and numbers have none of these.
    return (b"u" in body and b"true" in body) or (b"l" in body and b"false" in body)


def too_many_rows(field: str, came: int, limit: int) -> TooLargeError:
    """What a client is told that sent more rows than one request may have."""
    return TooLargeError(f"{field}: {came:,} rows came, at most {limit:,} in one request", field=field)


def write(fields: dict[str, Any]) -> bytes:
    """An object whose values may be arrays, which must be finite and contiguous."""
    return orjson.dumps(fields, option=orjson.OPT_SERIALIZE_NUMPY)


def _refuse_non_finite(text: str, position: int) -> None:
    """Say so, if what stopped the parser is a number that JSON, or a double, cannot hold."""
    start = position - 1 if text[position - 1 : position] == "-" else position
    token = _NOT_FINITE.match(text, start)
    if token is None:
        return
    names = _FIELD.findall(text, 0, start)
    field = names[-1] if names else "body"
    raise InvalidValueError(f"{field}: {token.group():.40} came, finite numbers expected", field=field)


def _shape(value: Any, field: str, path: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of nested lists; raises at the first thing that is no number or has another shape."""
    where = field + "".join(f"[{index}]" for index in path)
    if not isinstance(value, list):
        if type(value) in (int, float):
            return ()
        raise InvalidValueError(f"{where}: {kind_of(value)} came, a number expected", field=field)
    if len(path) == _DEEPEST:
        raise InvalidValueError(f"{where}: nested deeper than {_DEEPEST} levels", field=field)
    if set(map(type, value)) <= {int, float}:
        return (len(value),)
    first: tuple[int, ...] | None = None
    for index, item in enumerate(value):
        shape = _shape(item, field, (*path, index))
        if first is None:
            first = shape
        elif shape != first:
            raise InvalidValueError(
                f"{where}[{index}]: shape {shape} came, {first} expected as in {where}[0]", field=field
            )
    return (len(value), *(first or ()))


def kind_of(value: Any) -> str:
    """What a value of JSON is called in messages."""
    return _NAMES.get(type(value), "a number")
