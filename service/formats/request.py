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
        field: what the rows are called.
    """

    rows: npt.NDArray[Any]
    options: dict[str, Any]
    field: str


def read_rows(
    body: bytes,
    content_type: str | None,
    query: Mapping[str, str],
    *,
    field: str,
    options: tuple[str, ...],
    max_rows: int,
    images_as: Input | None,
    or_field: str | None = None,
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
        or_field: what may come in the place of `field`. A body that is not JSON says so by the option `field`, and is
            no image then.

    Raises:
        UnsupportedTypeError, MalformedError, InvalidValueError, TooLargeError: see the formats.
    """
    media_type = _media_type(content_type)
    names = (field,) if or_field is None else (field, or_field)
    if media_type == JSON:
        fields = read_fields(body, content_type, query, (*names, *options))
        field = _one_of(names, fields)
        value = fields.pop(field)
        return Read(json.read_rows(value, field, max_rows, suspicious=json.has_booleans(body)), fields, field)
    said = dict(query)
    if or_field is not None:
        field, images_as = _named(said, names, images_as)
    _refuse_unknown(said, options)
    if media_type == npy.MEDIA_TYPE:
        return Read(npy.read(body, field), said, field)
    if media_type in images.MEDIA_TYPES and images_as is not None:
        return Read(images.read(body, media_type, images_as, field), said, field)
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


def _one_of(names: tuple[str, ...], fields: Mapping[str, Any]) -> str:
    """The one name that is a field."""
    came = [name for name in names if name in fields]
    if not came:
        instead = "".join(f", or {name}" for name in names[1:])
        raise InvalidValueError(f"{names[0]}: missing; an array of rows expected{instead}", field=names[0])
    if len(came) > 1:
        raise InvalidValueError(f"{' and '.join(came)} came, one of them expected", field=came[-1])
    return came[0]


def _named(said: dict[str, Any], names: tuple[str, ...], images_as: Input | None) -> tuple[str, Input | None]:
    """The name that the option `field` chooses, which is taken away, and as what images are read then."""
    chosen = said.pop("field", names[0])
    if chosen not in names:
        raise InvalidValueError(f"field: {chosen:.40} came, {' or '.join(names)} expected", field="field")
    return chosen, images_as if chosen == names[0] else None


def _media_type(content_type: str | None) -> str:
    return (content_type or "").partition(";")[0].strip().lower()


def _unsupported(content_type: str | None, spoken: list[str]) -> UnsupportedTypeError:
    came = f"Content-Type: {content_type:.80} came" if content_type else "no Content-Type came"
    return UnsupportedTypeError(f"{came}, {' or '.join(spoken)} expected", field="Content-Type")


def _refuse_unknown(came: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    for name in came:
        if name not in allowed:
            known = ", ".join(allowed) or "none here"
            raise InvalidValueError(f"{name[:40]}: unknown field; known are: {known}", field=name[:40])
