"""Images within JSON: data URIs (RFC 2397), `data:image/png;base64,...`. No other URI is ever followed."""

from __future__ import annotations

import binascii
from typing import Any

import numpy.typing as npt

from service.errors import InvalidValueError, MalformedError, RequestError
from service.formats import images
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
    try:
        return images.read(content, media_type, expected, where)
    except RequestError as error:
        # Which image it was; a damaged one calls itself the body.
        _, _, what = error.message.partition(": ")
        raise type(error)(f"{where}: {what}", field=field) from error
