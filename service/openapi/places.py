"""The descriptions of the routes of `service.places`: scores, neighbours, a path."""

from __future__ import annotations

from typing import Any, Final

from service.openapi.bodies import Bodies, one_or_many
from service.openapi.parts import (
    CODES,
    CODES_EXAMPLE,
    ENCODING,
    ROWS,
    ROWS_EXAMPLE,
    SPACE,
    Part,
    answered,
    codes_in,
    error_references,
    post,
    rows_in,
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
_NEIGHBOURS_SAID: Final[Part] = {
    "id": {
        "type": "array",
        "description": "(batch, k): numbers of the release's reference rows, the nearest first",
        "items": {"type": "array", "items": {"type": "integer", "minimum": 0}},
    },
    "label": {
        "type": ["array", "null"],
        "description": "(batch, k): their labels, null where a row has none; null where the release keeps none",
        "items": {"type": "array", "items": {"type": ["string", "null"]}},
    },
}
_NEIGHBOURS: Final[Part] = {
    "distance": {"type": "array", "description": "(batch, k): Euclidean, in the code", "items": _NUMBERS},
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
_TWO: Final[Part] = {"minItems": 2, "maxItems": 2}


def places(bodies: Bodies) -> Part:
    """The paths below /v1."""
    options: Part = {"k": _K, "space": SPACE, "encoding": ENCODING}
    neighbors = post(
        "neighbors",
        "Rows or codes to the nearest reference rows in the code, where the live release keeps their codes",
        {"x": rows_in(), "z": codes_in()},
        one_or_many(_of_either(bodies, 1, {"k": 2})),
        options,
        answered(_NEIGHBOURS, _NEIGHBOURS_EXAMPLE, said=_NEIGHBOURS_SAID),
        bodies.content(("x", "z"), 1, options),
    )
    neighbors["responses"] |= error_references(404)
    path: Part = {"steps": _STEPS, "space": SPACE, "encoding": ENCODING}
    interpolate = post(
        "interpolate",
        "Two rows or two codes to the way between them, straight in the code, decoded",
        {"x": rows_in(ROWS | _TWO), "z": codes_in(CODES | _TWO)},
        one_or_many(_of_either(bodies, 2, {"steps": 3})),
        path,
        answered({"x": ROWS, "z": CODES}, {"x": ROWS_EXAMPLE * 3, "z": CODES_EXAMPLE * 3}, png=True),
        bodies.content(("x", "z"), 2, path),
    )
    return {
        "/v1/score": {"post": _score(bodies)},
        "/v1/neighbors": {"post": neighbors},
        "/v1/interpolate": {"post": interpolate},
    }


def native_places(bodies: Bodies) -> Part:
    """Those that are native endpoints too."""
    return {"/score": {"post": {**_score(bodies), "operationId": "native_score", "tags": ["native"]}}}


def _score(bodies: Bodies) -> Part:
    options: Part = {"space": SPACE, "encoding": ENCODING}
    described = post(
        "score",
        "Rows to how unusual each is: never a reconstruction error without its latent distance",
        {"x": rows_in()},
        one_or_many({name: {"x": value} for name, value in bodies.values("x").items()}),
        options,
        answered(_SCORES, _SCORES_EXAMPLE),
        bodies.content(("x",), 1, options),
    )
    # A release of before, which does not keep the spread of its codes.
    described["responses"] |= error_references(404)
    return described


def _of_either(bodies: Bodies, count: int, options: dict[str, Any]) -> dict[str, Any]:
    """Bodies of rows and bodies of codes, by name."""
    return {
        f"{field}_as_{name}": {field: value, **options}
        for field in ("x", "z")
        for name, value in bodies.values(field, count).items()
    }
