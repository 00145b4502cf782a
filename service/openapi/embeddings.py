"""What the OpenAPI document says of `POST /v1/embeddings`, with an example that the live release answers."""

from __future__ import annotations

import base64
from typing import Any, Final

import numpy as np

from service.formats.images import write_grid
from service.openapi.parts import Part
from service.release.manifest import Input

_TEXT: Final[Part] = {"type": "string"}
_IMAGE: Final[Part] = {"type": "string", "description": "an image as a data URI: data:image/png;base64,..."}
_PROPERTIES: Final[Part] = {
    "model": _TEXT
    | {"description": "the live release: its version, the model's name, champion, or another channel that names it"},
    "input": {
        "description": "one row or a list of rows, in the data's own units: nested numbers, or images as data URIs",
        "oneOf": [
            _IMAGE,
            {"type": "array", "minItems": 1, "items": _IMAGE},
            {"type": "array", "minItems": 1, "items": {"type": ["number", "array"]}},
        ],
    },
    "encoding_format": {
        "enum": ["float", "base64", None],
        "default": "float",
        "description": "numbers, or base64 of little-endian float32",
    },
    "dimensions": {
        "type": ["integer", "null"],
        "minimum": 1,
        "description": "the width of a greedy layer's code, or of z, which is the default; of several layers of one "
        "width the deepest",
    },
    "depth": {
        "type": ["integer", "null"],
        "minimum": 1,
        "description": "the code of this greedy layer, counted from 1; with dimensions, its width must be that",
    },
    "space": {
        "type": ["string", "null"],
        "description": "the space the client works in; another one than that of the code asked for is answered 409",
    },
    "user": {"type": ["string", "null"], "description": "changes nothing, and is kept nowhere"},
}
_WHOLE: Final[Part] = {"type": "integer"}
_ANSWER: Final[Part] = {
    "type": "object",
    "properties": {
        "object": {"const": "list"},
        "data": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "object": {"const": "embedding"},
                    "index": _WHOLE,
                    "embedding": {"oneOf": [{"type": "array", "items": {"type": "number"}}, _TEXT]},
                },
            },
        },
        "model": _TEXT | {"description": "the release that answered"},
        "usage": {
            "type": "object",
            "description": "there are no tokens; rows are counted",
            "properties": {"prompt_tokens": {"const": 0}, "total_tokens": {"const": 0}, "rows": _WHOLE},
        },
        "space": _TEXT | {"description": "the coordinate system of the codes"},
        "release": _TEXT,
        "depth": _WHOLE | {"description": "of the codes, counted from 1"},
    },
}


def embeddings_operation(described: Input | None, errors: Part) -> Part:
    """The operation.

    Args:
        described: the live release's rows, which the example is one of; None where none is live.
        errors: the responses other than 200.
    """
    schema = {
        "type": "object",
        "required": ["model", "input"],
        "properties": _PROPERTIES,
        "additionalProperties": False,
    }
    example = {"model": "champion", "input": [0.0, 0.5, 1.0, 0.25] if described is None else _row(described)}
    headers = {name: {"schema": _TEXT} for name in ("X-Manifold-Space", "X-Manifold-Release")}
    answer = {
        "description": "As OpenAI's clients read it, and where the codes come from",
        "headers": headers,
        "content": {"application/json": {"schema": _ANSWER}},
    }
    return {
        "operationId": "embeddings",
        "summary": "Rows to codes, for OpenAI's clients",
        "tags": ["v1"],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": example}}},
        "responses": {"200": answer, **errors},
    }


def _row(described: Input) -> Any:
    """A row that fits: an image where 8 bits are what the release reads, else numbers."""
    row = np.full(described.shape, described.minimum)
    if described.kind == "vector" or described.maximum > 255:
        return row.tolist()
    picture = base64.b64encode(write_grid(row[np.newaxis].astype(np.float32), described)).decode("ascii")
    return f"data:image/png;base64,{picture}"
