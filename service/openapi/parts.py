"""What the descriptions of routes have in common: rows, codes, an answer and where it comes from, errors."""

from __future__ import annotations

from typing import Any, Final

from service.errors import CODES as ERROR_CODES

Part = dict[str, Any]

NPY = "application/x-npy"
BINARY: Final[Part] = {"contentMediaType": "application/octet-stream"}
_FIELD: Final[Part] = {"enum": ["x", "z"], "default": "x", "description": "what an npy holds: rows or codes"}
ROWS: Final[Part] = {
    "type": "array",
    "minItems": 1,
    "description": "rows, (batch, *shape), in the data's own units; GET /v1/models/champion says the shape",
    "items": {"type": "array", "items": {}},
}
CODES: Final[Part] = {
    "type": "array",
    "minItems": 1,
    "description": "codes, (batch, code size)",
    "items": {"type": "array", "items": {"type": "number"}},
}
SPACE: Final[Part] = {
    "type": "string",
    "description": "the space the client works in; another one than the live release's is answered 409",
}
URIS: Final[Part] = {
    "type": "array",
    "minItems": 1,
    "description": "images as data URIs, a row each: data:image/png;base64,...; no other URI is followed",
    "items": {"type": "string", "pattern": "^data:"},
}
BASE64: Final[Part] = {"$ref": "#/components/schemas/Base64Array"}
BASE64_ARRAY: Final[Part] = {
    "type": "object",
    "description": "an array as base64 of its little-endian numbers, row by row",
    "required": ["base64", "shape"],
    "properties": {
        "base64": {"type": "string", "contentEncoding": "base64"},
        "shape": {"type": "array", "minItems": 1, "maxItems": 8, "items": {"type": "integer", "minimum": 0}},
        "dtype": {
            "enum": [*(f"float{n}" for n in (32, 64, 16)), *(f"{u}int{n}" for u in ("", "u") for n in (8, 16, 32, 64))],
            "default": "float32",
            "description": "float32 in all answers",
        },
    },
    "additionalProperties": False,
}
ENCODING: Final[Part] = {
    "enum": ["float", "base64"],
    "default": "float",
    "description": "of the arrays in a JSON answer: numbers, or base64 of little-endian float32",
}
ORIGIN: Final[Part] = {
    "space": {"type": "string", "description": "the coordinate system of the codes"},
    "release": {"type": "string", "description": "the release that answered"},
}
ROWS_EXAMPLE: Final = [[0.0, 0.5, 1.0, 0.25]]
CODES_EXAMPLE: Final = [[0.12, -1.4]]
ORIGIN_EXAMPLE: Final = {"space": "space-1", "release": "20260101-120000-abcdef"}


# What any route may answer, whatever it does; what a missing key is answered belongs here.
ANY_ROUTE: Final = (503, 504)


def post(
    operation: str, summary: str, given: Part, examples: Part, options: Part, answer: Part, other_bodies: Part
) -> Part:
    """A route that takes rows or codes.

    Args:
        operation: its name.
        summary: what it does, in a line.
        given: what can come in JSON, one of these: "x" or "z" -> schema.
        examples: of JSON, as a media type has them.
        options: that may come beside it: name -> schema.
        answer: the response of status 200.
        other_bodies: media type -> schema and examples, of what is not JSON.
    """
    bodies = [
        {
            "type": "object",
            "required": [field],
            "properties": {field: schema, **options},
            "additionalProperties": False,
        }
        for field, schema in given.items()
    ]
    body = bodies[0] if len(bodies) == 1 else {"oneOf": bodies}
    beside = options if len(given) == 1 else options | {"field": _FIELD}
    return {
        "operationId": operation,
        "summary": summary,
        "tags": ["v1"],
        "parameters": [
            {"name": name, "in": "query", "schema": schema, "description": "where the body has no place for it"}
            for name, schema in beside.items()
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": body, **examples}, **other_bodies},
        },
        "responses": {"200": answer, **error_references(400, 409, 413, 415, 422, 429)},
    }


def answered(arrays: Part, example: Part, *, png: bool = False, said: Part | None = None) -> Part:
    """An answer of status 200.

    Args:
        arrays: name -> schema, of arrays that may be base64 too.
        example: of all that it says but where it comes from.
        png: whether it can be a picture.
        said: name -> schema, of what it says beside.
    """
    properties: Part = {name: {"anyOf": [schema, BASE64]} for name, schema in arrays.items()}
    content: Part = {
        "application/json": {
            "schema": {"type": "object", "properties": {**properties, **(said or {}), **ORIGIN}},
            "example": {**example, **ORIGIN_EXAMPLE},
        },
        NPY: {"schema": BINARY},
    }
    if png:
        content["image/png"] = {"schema": BINARY}
    return {
        "description": "The answer; by Accept, JSON where nothing is asked for",
        "headers": {name: {"schema": {"type": "string"}} for name in ("X-Manifold-Space", "X-Manifold-Release")},
        "content": content,
    }


def rows_in(rows: Part = ROWS) -> Part:
    """The schema of rows in JSON: numbers, images, or base64."""
    return {"anyOf": [rows, URIS, BASE64]}


def codes_in(codes: Part = CODES) -> Part:
    """The schema of codes in JSON: numbers, or base64."""
    return {"anyOf": [codes, BASE64]}


def error_references(*statuses: int) -> Part:
    """The responses of a route that are errors: these, and those of any route."""
    return {
        str(status): {"$ref": f"#/components/responses/{ERROR_CODES[status]}"}
        for status in sorted({*statuses, *ANY_ROUTE})
    }
