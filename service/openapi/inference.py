"""The part of the OpenAPI document that describes the Open Inference Protocol, below `/v2`."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from service.openapi.parts import ANY_ROUTE, BINARY, Part
from service.release.manifest import Manifest

_JSON: Final = "application/json"
_TEXT: Final[Part] = {"type": "string"}
_PARAMETERS: Final[Part] = {"type": "object", "description": "of the protocol; unknown ones are let pass"}
_MODEL: Final[Part] = {
    "name": "model",
    "in": "path",
    "required": True,
    "schema": {"enum": ["encoder", "decoder"]},
    "example": "decoder",
}
_VERSION: Final[Part] = {
    "name": "version",
    "in": "path",
    "required": True,
    "schema": _TEXT,
    "description": "the live release; GET /v2/models/encoder names it",
}
_LENGTH: Final[Part] = {
    "name": "Inference-Header-Content-Length",
    "in": "header",
    "schema": {"type": "integer", "minimum": 0},
    "description": "where the JSON ends and the values of binary tensors begin",
}
_TENSOR: Final[Part] = {
    "type": "object",
    "required": ["name", "datatype", "shape"],
    "properties": {
        "name": _TEXT,
        "datatype": {
            "enum": [f"FP{n}" for n in (16, 32, 64)] + [f"{u}INT{n}" for u in ("", "U") for n in (8, 16, 32, 64)]
        },
        "shape": {"type": "array", "items": {"type": "integer"}},
        "parameters": _PARAMETERS,
        "data": {"type": "array", "items": {}, "description": "nested or flat; none where the values are binary"},
    },
}
_REQUEST: Final[Part] = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "id": _TEXT,
        "parameters": {
            "type": "object",
            "properties": {
                "binary_data_output": {"type": "boolean"},
                "space": {**_TEXT, "description": "the space expected; another is answered 409"},
            },
        },
        "inputs": {"type": "array", "minItems": 1, "maxItems": 1, "items": _TENSOR},
        "outputs": {
            "type": "array",
            "description": "all of the model's where none is named",
            "items": {"type": "object", "required": ["name"], "properties": {"name": _TEXT, "parameters": _PARAMETERS}},
        },
    },
}
_ANSWER: Final[Part] = {
    "type": "object",
    "properties": {
        "model_name": _TEXT,
        "model_version": {**_TEXT, "description": "the release that answered"},
        "id": _TEXT,
        "parameters": {"type": "object", "properties": {"space": _TEXT, "release": _TEXT}},
        "outputs": {"type": "array", "items": _TENSOR},
    },
}
_METADATA: Final[Part] = {
    "type": "object",
    "properties": {
        "name": _TEXT,
        "versions": {"type": "array", "items": _TEXT},
        "platform": _TEXT,
        "inputs": {"type": "array", "items": _TENSOR},
        "outputs": {"type": "array", "items": _TENSOR},
    },
}
_INDEX: Final[Part] = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"name": _TEXT, "version": _TEXT, "state": {"enum": ["READY", "UNAVAILABLE"]}, "reason": _TEXT},
    },
}
_ERROR: Final[Part] = {
    "description": "what is wrong, as the protocol has it",
    "content": {_JSON: {"schema": {"type": "object", "required": ["error"], "properties": {"error": _TEXT}}}},
}


def open_inference_paths(manifest: Manifest | None) -> dict[str, Part]:
    """Path -> methods; valid OpenAPI 3.1. The examples are such as the live release, of that manifest, answers."""
    version = _VERSION if manifest is None else _VERSION | {"example": manifest.version}
    size = 2 if manifest is None else manifest.code.size
    paths: dict[str, Part] = {
        "/v2": {
            "get": _operation("v2", "What the server is, and the protocol's extensions it speaks", {"type": "object"})
        },
        "/v2/health/live": {"get": _probe("v2_live", "The service answers")},
        "/v2/health/ready": {"get": _probe("v2_ready", "A release is live", 400)},
        "/v2/repository/index": {"post": _index()},
    }
    for suffix, places in (("", [_MODEL]), ("/versions/{version}", [_MODEL, version])):
        path, named = "/v2/models/{model}" + suffix, "_version" if suffix else ""
        metadata = _operation(f"v2_model{named}", "A model's inputs and outputs", _METADATA, 404, 503)
        paths[path] = {"get": metadata | {"parameters": places}}
        probe = _probe(f"v2_model_ready{named}", "The model answers", 400, 404)
        paths[f"{path}/ready"] = {"get": probe | {"parameters": places}}
        paths[f"{path}/infer"] = {"post": _infer(f"v2_infer{named}", places, size)}
    return paths


def _infer(operation: str, places: list[Part], size: int) -> Part:
    described = _operation(operation, "Rows x to codes z and code_1, …; codes z to rows x", _ANSWER)
    described["responses"]["200"]["content"]["application/octet-stream"] = {"schema": BINARY}
    described["responses"] |= protocol_errors(400, 404, 409, 413, 415, 422, 429, 503, 504)
    codes: Part = {"name": "z", "datatype": "FP32", "shape": [1, size]}
    text = json.dumps({"inputs": [codes | {"parameters": {"binary_data_size": 4 * size}}]}).encode()
    values = base64.b64encode(text + bytes(4 * size)).decode("ascii")
    content: dict[str, Any] = {
        _JSON: {"schema": _REQUEST, "examples": {"json": {"value": {"inputs": [codes | {"data": [0.0] * size}]}}}},
        "application/octet-stream": {
            "schema": BINARY,
            "examples": {"binary": {"externalValue": f"data:application/octet-stream;base64,{values}"}},
        },
    }
    # Examples of one name belong together.
    length = _LENGTH | {"examples": {"binary": {"value": len(text)}}}
    return described | {"parameters": [*places, length], "requestBody": {"required": True, "content": content}}


def _index() -> Part:
    schema = {"type": "object", "properties": {"ready": {"type": "boolean", "default": False}}}
    return _operation("v2_index", "Which releases there are, and whether they answer", _INDEX, 400, 413, 422, 503) | {
        "requestBody": {"content": {_JSON: {"schema": schema, "example": {"ready": True}}}}
    }


def _operation(operation: str, summary: str, schema: Part, *errors: int) -> Part:
    answer = {"description": summary, "content": {_JSON: {"schema": schema}}}
    return {
        "operationId": operation,
        "summary": summary,
        "tags": ["v2"],
        "responses": {"200": answer, **protocol_errors(*errors, *ANY_ROUTE)},
    }


def _probe(operation: str, summary: str, *errors: int) -> Part:
    responses = {"200": {"description": summary}, **protocol_errors(*errors)}
    return {"operationId": operation, "summary": summary, "tags": ["v2"], "responses": responses}


def protocol_errors(*statuses: int) -> Part:
    return {str(status): _ERROR for status in statuses}
