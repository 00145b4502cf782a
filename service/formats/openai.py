"""OpenAI's shape of embeddings: `input` -> rows; codes -> `data`, as numbers or base64 of little-endian float32."""

from __future__ import annotations

import base64
import sys
from datetime import datetime
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from starlette.responses import Response

from service.errors import InvalidValueError
from service.formats import data_uri, images, json
from service.formats.answer import Origin, origin_headers
from service.formats.request import JSON
from service.release.manifest import Input
from service.sessions import Floats

INPUT: Final = "input"
# What OpenAI's clients send, and what ours knows beside: `extra_body` in theirs.
FIELDS: Final = ("model", INPUT, "encoding_format", "dimensions", "user", "depth", "space")

Encoding = Literal["float", "base64"]


def has_images(value: Any) -> bool:
    """Whether `input` is text, or begins with it: images, which take a while to read."""
    return isinstance(value, str) or data_uri.are_some(value)


def read_input(value: Any, described: Input, *, max_rows: int, max_bytes: int, suspicious: bool) -> npt.NDArray[Any]:
    """What comes under `input` -> one row, (*shape), or rows, (batch, ...): whether they fit is not yet checked.

    Args:
        value: one row or a list of them, each nested lists of numbers or an image as a data URI.
        described: what the live release's rows are.
        max_rows: more are refused before they are looked at.
        max_bytes: more values of images are refused before one is unpacked: a small file may hold a large image.
        suspicious: whether the body has a `true` or `false` anywhere, see `json.read_rows`.

    Raises:
        InvalidValueError, MalformedError, TooLargeError: see `json.read_rows` and `data_uri.read`.
    """
    if isinstance(value, str):
        images.check_total(1, described, INPUT, max_bytes)
        return data_uri.read(value, described, INPUT, INPUT)
    if data_uri.are_some(value):
        return data_uri.read_all(value, described, INPUT, max_rows, max_bytes)
    # The values of one row, or the lines of one image, are no rows, however many they are.
    are_rows = _levels(value) > len(described.shape)
    return json.read_floats(value, INPUT, max_rows if are_rows else sys.maxsize, suspicious=suspicious)


def read_encoding(value: Any) -> Encoding:
    """`encoding_format`; without it, "float".

    Raises:
        InvalidValueError: it is neither "float" nor "base64".
    """
    if value is None or value == "float":
        return "float"
    if value == "base64":
        return "base64"
    raise InvalidValueError(f"encoding_format: {value!r:.40} came, float or base64 expected", field="encoding_format")


def write(codes: Floats, encoding: Encoding, origin: Origin, depth: int) -> Response:
    """Codes (batch, width) -> the answer.

    Tokens are counted as 0, since there are none; `rows`, `space`, `release` and `depth` are ours, and OpenAI's clients
    keep them as further attributes.
    """
    if encoding == "base64":
        written: list[Any] = [base64.b64encode(code).decode("ascii") for code in np.asarray(codes, "<f4")]
    else:
        written = list(codes)
    content = {
        "object": "list",
        "data": [{"object": "embedding", "index": index, "embedding": code} for index, code in enumerate(written)],
        "model": origin.release,
        "usage": {"prompt_tokens": 0, "total_tokens": 0, "rows": len(codes)},
        **origin._asdict(),
        "depth": depth,
    }
    return Response(json.write(content), 200, origin_headers(origin), JSON)


def listed(names: list[str], created: str) -> dict[str, Any]:
    """What OpenAI's clients read of `GET /v1/models`: the names that `/v1/embeddings` takes for a model.

    Args:
        names: none where no release is live.
        created: when the live release was made, ISO 8601.
    """
    try:
        seconds = int(datetime.fromisoformat(created).timestamp())
    except (ValueError, OverflowError, OSError):
        # A release may say anything there.
        seconds = 0
    models = [{"id": name, "object": "model", "created": seconds, "owned_by": "manifold"} for name in names]
    return {"object": "list", "data": models}


def _levels(value: Any) -> int:
    """How deep lists are nested, by the first of each."""
    levels = 0
    while isinstance(value, list):
        levels += 1
        value = next(iter(value), None)
    return levels
