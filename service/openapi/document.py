"""The OpenAPI 3.1 document of all routes: the mounted ones, BentoML's own, and the native endpoints."""

from __future__ import annotations

from typing import Final

from service.errors import CODES as ERROR_CODES
from service.errors import RATE_LIMIT_CODE
from service.openapi.admin import admin_paths
from service.openapi.bodies import Bodies, one_or_many
from service.openapi.drift import DRIFT
from service.openapi.embeddings import embeddings_operation
from service.openapi.inference import open_inference_paths
from service.openapi.keys import with_keys
from service.openapi.parts import (
    BASE64_ARRAY,
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
from service.openapi.places import native_places, places
from service.release.manifest import Manifest

_DEPTH: Final[Part] = {
    "type": "integer",
    "minimum": 1,
    "description": "the code of this greedy layer, counted from 1; by default the last, which is the code z",
}
_CODE_ENCODING: Final[Part] = {
    "enum": ["float", "base64", "int8", "binary"],
    "default": "float",
    "description": "numbers; base64 of little-endian float32; a byte or a bit a number, of the code z only",
}
_NUMBERS: Final[Part] = {"type": "array", "items": {"type": "number"}}
_COMPACT: Final[Part] = {
    "encoding": {"enum": ["int8", "binary"], "description": "where z is int8, or bits packed into bytes"},
    "scale": _NUMBERS | {"description": "of int8: z ≈ number · scale + offset, dimension by dimension"},
    "offset": _NUMBERS,
    "threshold": _NUMBERS | {"description": "of binary: a bit says that z is above it"},
    "bits": {"type": "integer", "description": "of binary: how many bits of a row count"},
}
_PROBABILITIES: Final[Part] = {
    "type": "array",
    "minItems": 1,
    "description": "probabilities, (batch, classes); the release's manifest names the classes, in this order",
    "items": {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 1}},
}
_LABELS: Final[Part] = {
    "type": "array",
    "description": "the likeliest label of each row",
    "items": {"type": "string"},
}
_FIGURES: Final[Part] = {"type": ["array", "null"], "items": {"type": "number"}}
_HONESTY: Final[Part] = {
    "type": "object",
    "description": "one number a row; null where the release keeps nothing to compare with",
    "properties": {
        "density_percentile": _FIGURES | {"description": "percent of the training codes that are less dense"},
        "round_trip_error": _FIGURES
        | {"type": "array", "description": "x to z to x: squared error, summed, scaled units"},
        "nearest_distance": _FIGURES | {"description": "to the nearest reference row, Euclidean, scaled units"},
        "reference_rows": {"type": "integer", "description": "how many training rows it is the nearest of"},
    },
}
_HONESTY_EXAMPLE: Final = {
    "density_percentile": [41.5],
    "round_trip_error": [0.8],
    "nearest_distance": [1.9],
    "reference_rows": 2000,
}


def openapi_document(manifest: Manifest | None, *, admin: bool = False) -> Part:
    """The document; valid OpenAPI 3.1. Its examples are such as the live release, of that `manifest`, answers. The
    `admin` routes are on or off.
    """
    bodies = Bodies(manifest)
    rows = one_or_many({name: {"x": value} for name, value in bodies.values("x").items()})
    codes = one_or_many({name: {"z": value} for name, value in bodies.values("z").items()})
    plain: Part = {"space": SPACE, "encoding": ENCODING}
    of_codes: Part = {"depth": _DEPTH, "space": SPACE, "encoding": _CODE_ENCODING}
    embed = post(
        "embed", "Rows to codes", {"x": rows_in()}, _with_compact(rows), of_codes,
        answered({"z": CODES}, {"z": CODES_EXAMPLE}, said=_COMPACT), bodies.content(("x",), 1, of_codes),
    )  # fmt: skip
    # A release that does not say what its training codes were like has no compact ones.
    embed["responses"] |= error_references(404)
    classify = post(
        "classify", "Rows to labels and their probabilities, where the live release has a classifier",
        {"x": rows_in()}, rows, plain,
        answered({"p": _PROBABILITIES}, {"p": [[0.97, 0.03]], "label": ["cat"]}, said={"label": _LABELS}),
        bodies.content(("x",), 1, plain),
    )  # fmt: skip
    # No classifier.
    classify["responses"] |= error_references(404)
    generate = post(
        "generate", "Codes to rows", {"z": codes_in()}, codes, plain,
        answered({"x": ROWS}, {"x": ROWS_EXAMPLE}, png=True), bodies.content(("z",), 1, plain),
    )  # fmt: skip
    reconstruct = post(
        "reconstruct", "Rows to rows, through the code", {"x": rows_in()}, rows, plain,
        answered({"x": ROWS}, {"x": ROWS_EXAMPLE}, png=True), bodies.content(("x",), 1, plain),
    )  # fmt: skip
    described = None if manifest is None else manifest.input
    errors = error_references(400, 404, 409, 413, 415, 422, 429)
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Manifold",
            "version": "1",
            "description": "Embeds rows on a learned manifold and generates rows from it.",
        },
        "servers": [{"url": "/"}],
        "paths": {
            "/v1/embed": {"post": embed},
            "/v1/embeddings": {"post": embeddings_operation(described, errors)},
            "/v1/classify": {"post": classify},
            "/v1/generate": {"post": generate},
            "/v1/sample": {"post": _sample()},
            "/v1/reconstruct": {"post": reconstruct},
            **places(bodies),
            "/v1/models": {"get": _get("models", "What is live, and what the channels name", "Models")},
            "/v1/models/{release}": {"get": _model()},
            "/v1/drift": {"get": _get("drift", "What was seen in the last 24 hours, as counts", "Drift")},
            "/embed": {"post": {**embed, "operationId": "native_embed", "tags": ["native"]}},
            "/classify": {"post": {**classify, "operationId": "native_classify", "tags": ["native"]}},
            "/generate": {"post": {**generate, "operationId": "native_generate", "tags": ["native"]}},
            "/reconstruct": {"post": {**reconstruct, "operationId": "native_reconstruct", "tags": ["native"]}},
            **native_places(bodies),
            **open_inference_paths(manifest),
            "/livez": {"get": _probe("livez", "The process is alive")},
            "/healthz": {"get": _probe("healthz", "The same as /livez")},
            "/readyz": {"get": _probe("readyz", "A release is live and reproduced its golden batch")},
            "/metrics": {"get": _probe("metrics", "Prometheus metrics")},
            "/openapi.json": {"get": _get("openapi", "This document", "Any")},
            "/docs.json": {"get": _get("docs", "This document", "Any")},
            "/schema.json": {"get": _get("schema", "What BentoML's clients read", "Any")},
            **(admin_paths() if admin else {}),
            "/": {"get": _page()},
        },
        "components": {"schemas": _schemas(), "responses": _errors(), "examples": bodies.components},
    }
    return with_keys(document)


def _with_compact(rows: Part) -> Part:
    """The same examples, and of the first one for int8 and binary."""
    examples = rows["examples"]
    (_, first), *_ = examples.items()
    compact = {encoding: {"value": first["value"] | {"encoding": encoding}} for encoding in ("int8", "binary")}
    return {"examples": examples | compact}


def _sample() -> Part:
    properties = {
        "count": {"type": "integer", "minimum": 1, "default": 64},
        "seed": {"type": "integer", "minimum": 0, "default": 0},
        "method": {
            "enum": ["density", "walkback", "jacobian_walk"],
            "description": "one of the manifest's sampling.methods; by default its sampling.default",
        },
        "steps": {"type": "integer", "minimum": 1, "description": "of a chain; walkback and jacobian_walk only"},
        "temperature": {
            "type": "number",
            "minimum": 0,
            "maximum": 10,
            "default": 1,
            "description": "what the deviations of the density are multiplied by; density only",
        },
        "encoding": ENCODING,
    }
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    asked = one_or_many({"some": {"count": 4, "seed": 0}, "base64": {"count": 4, "encoding": "base64"}})
    answer = answered(
        {"x": ROWS, "z": CODES},
        {"x": ROWS_EXAMPLE, "z": CODES_EXAMPLE, "method": "density", "steps": 1, "honesty": _HONESTY_EXAMPLE},
        png=True,
        said={"method": {"type": "string"}, "steps": {"type": "integer"}, "honesty": _HONESTY},
    )
    return {
        "operationId": "sample",
        "summary": "New rows, each with figures of how far it can be trusted",
        "tags": ["v1"],
        "requestBody": {"content": {"application/json": {"schema": schema, **asked}}},
        "responses": {"200": answer, **error_references(400, 413, 415, 422, 429)},
    }


def _get(operation: str, summary: str, schema: str) -> Part:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    responses = {"200": {"description": summary, "content": content}, **error_references()}
    return {"operationId": operation, "summary": summary, "responses": responses}


def _model() -> Part:
    described = _get("model", "One release and its manifest", "Model")
    parameter = {
        "name": "release",
        "in": "path",
        "required": True,
        "schema": {"type": "string"},
        "description": "a version, or champion, previous, candidate",
        "example": "champion",
    }
    return described | {
        "parameters": [parameter],
        "responses": described["responses"] | error_references(404),
    }


def _probe(operation: str, summary: str) -> Part:
    content = {"text/plain": {"schema": {"type": "string"}}}
    return {
        "operationId": operation,
        "summary": summary,
        "responses": {
            "200": {"description": summary, "content": content},
            "503": {"$ref": f"#/components/responses/{ERROR_CODES[503]}"},
        },
    }


def _page() -> Part:
    content = {"text/html": {"schema": {"type": "string"}}}
    responses = {"200": {"description": "HTML", "content": content}}
    return {"operationId": "page", "summary": "A page for people", "responses": responses}


def _errors() -> Part:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {code: {"description": f"status {status}", "content": content} for status, code in ERROR_CODES.items()}


def _schemas() -> Part:
    text = {"type": "string"}
    maybe = {"type": ["string", "null"]}
    error = {
        "type": "object",
        "required": ["code", "message", "field"],
        "properties": {
            "code": {"enum": sorted([*ERROR_CODES.values(), RATE_LIMIT_CODE])},
            "message": text,
            "field": maybe,
        },
    }
    named: Part = {
        "release": text,
        "aliases": {"type": "array", "items": text},
        "live": {"type": "boolean"},
    }
    return {
        "Any": {"type": "object"},
        "Base64Array": BASE64_ARRAY,
        "Drift": DRIFT,
        "Error": {"type": "object", "required": ["error"], "properties": {"error": error}},
        "Model": {
            "type": "object",
            "properties": named | {"device": maybe, "space": text, "manifest": {"type": "object"}},
        },
        "Models": {
            "type": "object",
            "properties": {
                "live": maybe,
                "device": maybe,
                "variant": maybe,
                "onnxruntime": {"type": ["object", "null"], "description": "how it runs the release, as measured here"},
                "models": {"type": "array", "items": {"type": "object", "properties": named}},
                "queue": {"type": "object"},
                "failure": {"type": ["object", "null"]},
                "data": {"type": "array", "description": "the live release's names, for OpenAI's clients"},
            },
        },
    }
