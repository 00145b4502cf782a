"""What the descriptions of routes have in common: rows, codes, an answer and where it comes from, errors."""

from __future__ import annotations

from typing import Any, Final

from service.errors import CODES as ERROR_CODES

Part = dict[str, Any]

NPY = "application/x-npy"
BINARY: Final[Part] = {"type": "string", "format": "binary"}
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
ORIGIN: Final[Part] = {
    "space": {"type": "string", "description": "the coordinate system of the codes"},
    "release": {"type": "string", "description": "the release that answered"},
}
ROWS_EXAMPLE: Final = [[0.0, 0.5, 1.0, 0.25]]
CODES_EXAMPLE: Final = [[0.12, -1.4]]
ORIGIN_EXAMPLE: Final = {"space": "space-1", "release": "20260101-120000-abcdef"}


def post(
    operation: str,
    summary: str,
    field: str,
    rows: Part,
    example: Any,
    options: Part,
    answer: Part,
    *,
    images_in: bool = False,
) -> Part:
    body = {field: rows, **options}
    content: Part = {
        "application/json": {
            "schema": {
                "type": "object",
                "required": [field],
                "properties": body,
                "additionalProperties": False,
            },
            "example": {field: example},
        },
        NPY: {"schema": BINARY},
    }
    if images_in:
        content |= {f"image/{kind}": {"schema": BINARY} for kind in ("png", "jpeg", "webp")}
    return {
        "operationId": operation,
        "summary": summary,
        "tags": ["v1"],
        "parameters": [
            {"name": name, "in": "query", "schema": schema, "description": "where the body is not JSON"}
            for name, schema in options.items()
        ],
        "requestBody": {"required": True, "content": content},
        "responses": {"200": answer, **error_references(400, 409, 413, 415, 422, 429, 503, 504)},
    }


def answered(properties: Part, example: Part, *, png: bool = False) -> Part:
    content: Part = {
        "application/json": {
            "schema": {"type": "object", "properties": {**properties, **ORIGIN}},
            "example": {**example, **ORIGIN_EXAMPLE},
        },
        NPY: {"schema": BINARY},
    }
    if png:
        content["image/png"] = {"schema": BINARY}
    return {
        "description": "The answer; by Accept, JSON where nothing is asked for",
        "headers": {
            "X-Manifold-Space": {"schema": {"type": "string"}},
            "X-Manifold-Release": {"schema": {"type": "string"}},
        },
        "content": content,
    }


def error_references(*statuses: int) -> Part:
    return {str(status): {"$ref": f"#/components/responses/{ERROR_CODES[status]}"} for status in statuses}
