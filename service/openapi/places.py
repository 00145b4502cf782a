"""The descriptions of the routes of `service.places`: scores, neighbours, a path."""

from __future__ import annotations

from typing import Any, Final

from service.openapi.parts import (
    CODES,
    CODES_EXAMPLE,
    ROWS,
    ROWS_EXAMPLE,
    SPACE,
    Part,
    answered,
    error_references,
    post,
)

_NUMBERS: Final[Part] = {"type": "array", "items": {"type": "number"}}
_SHARES: Final[Part] = {
    "type": "array",
    "description": "p-values, calibrated on rows that were not learned from",
    "items": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
}
_SCORES: Final[Part] = {
    "reconstruction_error": _NUMBERS | {"description": "x to z to x: squared error, summed, scaled units"},
    "reconstruction_p": _SHARES,
    "latent_distance": _NUMBERS | {"description": "Mahalanobis distance of the code to the training codes' mean"},
    "latent_p": _SHARES,
}
_SCORES_EXAMPLE: Final = {
    "reconstruction_error": [0.8],
    "reconstruction_p": [0.42],
    "latent_distance": [9.7],
    "latent_p": [0.002],
}
_NEIGHBOURS: Final[Part] = {
    "id": {
        "type": "array",
        "description": "(batch, k): numbers of the release's reference rows, the nearest first",
        "items": {"type": "array", "items": {"type": "integer", "minimum": 0}},
    },
    "distance": {"type": "array", "description": "(batch, k): Euclidean, in the code", "items": _NUMBERS},
    "label": {
        "type": ["array", "null"],
        "description": "(batch, k): their labels, null where a row has none; null where the release keeps none",
        "items": {"type": "array", "items": {"type": ["string", "null"]}},
    },
    "map": {
        "type": "array",
        "description": "(batch, k, 2): where they are on the release's map",
        "items": {"type": "array", "items": _NUMBERS},
    },
}
_NEIGHBOURS_EXAMPLE: Final = {
    "id": [[17, 4]],
    "distance": [[0.12, 0.35]],
    "label": [["cat", "cat"]],
    "map": [[[0.1, -1.3], [0.3, -1.1]]],
}
_K: Final[Part] = {"type": "integer", "minimum": 1, "default": 10, "description": "how many; at most those there are"}
_STEPS: Final[Part] = {
    "type": "integer",
    "minimum": 2,
    "default": 8,
    "description": "points of the path, its two ends among them",
}
_FIELD: Final[Part] = {"enum": ["x", "z"], "default": "x", "description": "what an npy holds: rows or codes"}
_TWO: Final[Part] = {"minItems": 2, "maxItems": 2}


def places() -> Part:
    """The paths below /v1."""
    neighbors = _of_rows_or_codes(
        "neighbors",
        "Rows or codes to the nearest reference rows in the code, where the live release keeps their codes",
        _either({"x": ROWS}, {"z": CODES}, {"k": _K, "space": SPACE}),
        {"rows": {"x": ROWS_EXAMPLE}, "codes": {"z": CODES_EXAMPLE, "k": 2}},
        {"k": _K, "space": SPACE},
        answered(_NEIGHBOURS, _NEIGHBOURS_EXAMPLE),
        images_in=True,
    )
    neighbors["responses"] |= error_references(404)
    path = {"steps": _STEPS, "space": SPACE}
    interpolate = _of_rows_or_codes(
        "interpolate",
        "Two rows or two codes to the way between them, straight in the code, decoded",
        _either({"x": ROWS | _TWO}, {"z": CODES | _TWO}, path),
        {"rows": {"x": ROWS_EXAMPLE * 2, "steps": 3}, "codes": {"z": [*CODES_EXAMPLE, [1.0, 0.5]], "steps": 3}},
        path,
        answered({"x": ROWS, "z": CODES}, {"x": ROWS_EXAMPLE * 3, "z": CODES_EXAMPLE * 3}, png=True),
    )
    return {
        "/v1/score": {"post": _score()},
        "/v1/neighbors": {"post": neighbors},
        "/v1/interpolate": {"post": interpolate},
    }


def native_places() -> Part:
    """Those that are native endpoints too."""
    return {"/score": {"post": {**_score(), "operationId": "native_score", "tags": ["native"]}}}


def _score() -> Part:
    described = post(
        "score", "Rows to how unusual each is: never a reconstruction error without its latent distance", "x", ROWS,
        ROWS_EXAMPLE, {"space": SPACE}, answered(_SCORES, _SCORES_EXAMPLE), images_in=True,
    )  # fmt: skip
    # A release of before, which does not keep the spread of its codes.
    described["responses"] |= error_references(404)
    return described


def _either(rows: Part, codes: Part, options: Part) -> Part:
    """A body that has one of the two."""
    return {
        "oneOf": [
            {
                "type": "object",
                "required": list(given),
                "properties": {**given, **options},
                "additionalProperties": False,
            }
            for given in (rows, codes)
        ]
    }


def _of_rows_or_codes(
    operation: str,
    summary: str,
    body: Part,
    examples: dict[str, Any],
    options: Part,
    answer: Part,
    *,
    images_in: bool = False,
) -> Part:
    described = post(
        operation, summary, "x", ROWS, ROWS_EXAMPLE, options | {"field": _FIELD}, answer, images_in=images_in
    )
    content = described["requestBody"]["content"]
    named = {name: {"value": example} for name, example in examples.items()}
    content["application/json"] = {"schema": body, "examples": named}
    return described
