"""Images within JSON: data URIs (RFC 2397), `data:image/png;base64,...`. No other URI is ever followed."""

from __future__ import annotations

import binascii
from typing import Any

import numpy as np
import numpy.typing as npt

from service.errors import InvalidValueError, MalformedError
from service.formats import images, json
from service.release.manifest import Input

_KINDS = " or ".join(images.MEDIA_TYPES)


def read(text: str, expected: Input, field: str, where: str) -> npt.NDArray[Any]:
    """One image -> one row, (1, height, width) or (1, height, width, channels), as `images.read` does.

    Args:
        text: the URI.
        expected: what the live release's rows are.
        field: the field of the request that it is in.
        where: its place there, for messages: `input[3]`.

    Raises:
        InvalidValueError: no data URI, not of an image, the image does not fit, or rows are no images.
        MalformedError: its base64 or its image is damaged.
    """
    if expected.kind != "image":
        raise InvalidValueError(
            f"{where}: text came, numbers expected: the live release's rows are vectors of {expected.shape[0]} values",
            field=field,
        )
    head, comma, payload = text.partition(",")
    scheme, _, described = head.partition(":")
    if scheme.lower() != "data" or not comma:
        came = "a URL came, and none is ever fetched" if scheme.lower() in ("http", "https") else "text came"
        raise InvalidValueError(f"{where}: {came}; data:image/png;base64,... or numbers expected", field=field)
    media_type, *parameters = described.lower().split(";")
    if media_type not in images.MEDIA_TYPES or parameters[-1:] != ["base64"]:
        raise InvalidValueError(f"{where}: data:{described:.80} came, {_KINDS} in base64 expected", field=field)
    try:
        content = binascii.a2b_base64(payload, strict_mode=True)
    except ValueError as error:
        raise MalformedError(f"{where}: not base64: {error}", field=field) from error
    return images.read_one_of_many(content, media_type, expected, field, where)


def are_some(value: Any) -> bool:
    """Whether a value of JSON is a list that begins with text: images, which take a while to read."""
    return isinstance(value, list) and isinstance(next(iter(value), None), str)


def read_all(texts: list[Any], expected: Input, field: str, max_rows: int, max_values: int) -> npt.NDArray[Any]:
    """Data URIs -> rows (batch, height, width) or (batch, height, width, channels).

    Args:
        texts: what came under `field`, a URI each.
        expected: what the live release's rows are.
        field: the field of the request that they are in.
        max_rows: more are refused before they are looked at.
        max_values: more values of all images are refused before one is unpacked.

    Raises:
        InvalidValueError, MalformedError: see `read`; or one is no text.
        TooLargeError: too many rows, or values.
    """
    if len(texts) > max_rows:
        raise json.too_many_rows(field, len(texts), max_rows)
    images.check_total(len(texts), expected, field, max_values)
    rows = []
    for index, text in enumerate(texts):
        where = f"{field}[{index}]"
        if not isinstance(text, str):
            raise InvalidValueError(f"{where}: no text came, a data URI expected as in {field}[0]", field=field)
        rows.append(read(text, expected, field, where))
    return np.concatenate(rows)
