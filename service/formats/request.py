"""A body, by its Content-Type -> its rows and options, all from one place whatever the format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from service.errors import InvalidValueError, UnsupportedTypeError
from service.formats import base64_arrays, data_uri, images, json, multipart, npy
from service.formats.expected import Expected, Read, one_of, refuse_unknown
from service.formats.form import read_form

JSON = "application/json"


def is_multipart(content_type: str | None) -> bool:
    """Whether a body is to be received by `multipart.receive`."""
    return _media_type(content_type) == multipart.MEDIA_TYPE


def may_hold_images(body: bytes | tuple[multipart.Part, ...], content_type: str | None) -> bool:
    """Whether reading it may take a while: pixels have to be unpacked."""
    if not isinstance(body, bytes):
        return any(part.is_image for part in body)
    if _media_type(content_type) == JSON:
        # One letter is found much faster than a word, and numbers do not have this one.
        return b"d" in body and b'"data:' in body
    return (content_type or "").startswith("image/")


def read_rows(
    body: bytes | tuple[multipart.Part, ...], content_type: str | None, query: Mapping[str, str], expected: Expected
) -> Read:
    """Rows and options of a request.

    Args:
        body: the bytes, or the parts of a multipart body.
        content_type: the header; parameters after `;` are ignored.
        query: the query string, which holds the options of bodies that have no place for them.
        expected: what the route takes.

    Raises:
        UnsupportedTypeError, MalformedError, InvalidValueError, TooLargeError: see the formats.
    """
    if not isinstance(body, bytes):
        # One place for each option: beside a form, as beside JSON, the query string says nothing.
        refuse_unknown(query, ())
        return read_form(body, expected)
    media_type = _media_type(content_type)
    if media_type == JSON:
        fields = read_fields(body, content_type, query, (*expected.names, *expected.options))
        field = one_of(expected.names, fields)
        return Read(_read_value(fields.pop(field), field, body, expected), fields, field)
    said = dict(query)
    field = expected.field
    if expected.or_field is not None:
        field = said.pop("field", field)
        if field not in expected.names:
            names = " or ".join(expected.names)
            raise InvalidValueError(f"field: {field:.40} came, {names} expected", field="field")
    images_as = expected.images_in(field)
    refuse_unknown(said, expected.options)
    if media_type == npy.MEDIA_TYPE:
        return Read(npy.read(body, field), said, field)
    if media_type in images.MEDIA_TYPES and images_as is not None:
        images.check_total(1, images_as, field, expected.max_values)
        return Read(images.read(body, media_type, images_as, field), said, field)
    spoken = [JSON, npy.MEDIA_TYPE, multipart.MEDIA_TYPE, *(images.MEDIA_TYPES if images_as is not None else ())]
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
    refuse_unknown(query, ())
    fields = json.read_object(body)
    refuse_unknown(fields, allowed)
    return fields


def _read_value(value: Any, field: str, body: bytes, expected: Expected) -> npt.NDArray[Any]:
    """What came under a name in JSON: numbers, an array as base64, or images."""
    if base64_arrays.is_one(value):
        return base64_arrays.read(value, field, expected.max_rows)
    images_as = expected.images_in(field)
    if images_as is not None and data_uri.are_some(value):
        return data_uri.read_all(value, images_as, field, expected.max_rows, expected.max_values)
    return json.read_floats(value, field, expected.max_rows, suspicious=json.has_booleans(body))


def _media_type(content_type: str | None) -> str:
    return (content_type or "").partition(";")[0].strip().lower()


def _unsupported(content_type: str | None, spoken: list[str]) -> UnsupportedTypeError:
    came = f"Content-Type: {content_type:.80} came" if content_type else "no Content-Type came"
    return UnsupportedTypeError(f"{came}, {' or '.join(spoken)} expected", field="Content-Type")
