"""A body, by its Content-Type -> its rows and options, all from one place whatever the format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy.typing as npt

from service.errors import InvalidValueError, UnsupportedTypeError
from service.formats import images, json, npy
from service.release.manifest import Input

JSON = "application/json"


class Read(NamedTuple):
    """What a request says.

    Attributes:
        rows: the array under the rows' field; numbers of any shape.
        options: the other fields, as they came: JSON values, or text from the query string.
    """

    rows: npt.NDArray[Any]
    options: dict[str, Any]


def read_rows(
    body: bytes,
    content_type: str | None,
    query: Mapping[str, str],
    *,
    field: str,
    options: tuple[str, ...],
    max_rows: int,
    images_as: Input | None,
) -> Read:
    """Rows and options of a request.

    Args:
        body: the bytes.
        content_type: the header; parameters after `;` are ignored.
        query: the query string, which holds the options of bodies that are not JSON.
        field: what the rows are called: "x" for data, "z" for codes.
        options: fields that may come beside the rows.
        max_rows: more are refused.
        images_as: the input of the live release where rows may be an image, else None.

    Raises:
        UnsupportedTypeError, MalformedError, InvalidValueError, TooLargeError: see the formats.
    """
    media_type = _media_type(content_type)
    if media_type == JSON:
        fields = read_fields(body, content_type, query, (field, *options))
        if field not in fields:
            raise InvalidValueError(f"{field}: missing; an array of rows expected", field=field)
        value = fields.pop(field)
        return Read(json.read_rows(value, field, max_rows, suspicious=json.has_booleans(body)), fields)
    _refuse_unknown(query, options)
    if media_type == npy.MEDIA_TYPE:
        return Read(npy.read(body, field), dict(query))
    if media_type in images.MEDIA_TYPES and images_as is not None:
        return Read(images.read(body, media_type, images_as, field), dict(query))
    spoken = [JSON, npy.MEDIA_TYPE, *(images.MEDIA_TYPES if images_as is not None else ())]
    raise _unsupported(content_type, spoken)


def read_fields(
    body: bytes, content_type: str | None, query: Mapping[str, str], allowed: tuple[str, ...]
) -> dict[str, Any]:
    """The fields of a JSON body, none of them unknown.

    Raises:
        UnsupportedTypeError: it is not sent as JSON.
        MalformedError: it is no JSON.
        InvalidValueError: it is no object, or has a field that is not in `allowed`.
    """
    if _media_type(content_type) != JSON:
        raise _unsupported(content_type, [JSON])
    # One place for each option: beside JSON the query string says nothing.
    _refuse_unknown(query, ())
    fields = json.read_object(body)
    _refuse_unknown(fields, allowed)
    return fields


def _media_type(content_type: str | None) -> str:
    return (content_type or "").partition(";")[0].strip().lower()


def _unsupported(content_type: str | None, spoken: list[str]) -> UnsupportedTypeError:
    came = f"Content-Type: {content_type} came" if content_type else "no Content-Type came"
    return UnsupportedTypeError(f"{came}, {' or '.join(spoken)} expected", field="Content-Type")


def _refuse_unknown(came: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    for name in came:
        if name not in allowed:
            known = ", ".join(allowed) or "none here"
            raise InvalidValueError(f"{name[:40]}: unknown field; known are: {known}", field=name[:40])
