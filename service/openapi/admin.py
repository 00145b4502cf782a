"""What the document says of the admin routes, where they are on."""

from __future__ import annotations

from typing import Any

from service.openapi.parts import Part, error_references

_MAYBE = {"type": ["string", "null"]}
_WHY = {"type": "string", "maxLength": 500, "default": "asked for over HTTP", "description": "for the journal"}
_RELEASE = {"type": "string", "description": "a version, or candidate, or previous"}


def admin_paths() -> Part:
    """Promotion and rollback. Both demand a key for admin, also where the home holds no keys."""
    promoted = "The release is checked, and is the champion from now on; workers take it within a moment"
    rolled_back = "The previous champion is the champion again, and the two have changed places"
    example = {"release": "20260102-120000-abcdef", "why": "better on last week's rows"}
    return {
        "/v1/admin/promote": {
            "post": _move("promote", promoted, {"release": _RELEASE, "why": _WHY}, ["release"], example)
        },
        "/v1/admin/rollback": {"post": _move("rollback", rolled_back, {"why": _WHY}, [], {"why": "it drifted"})},
    }


def _move(operation: str, summary: str, properties: Part, required: list[str], example: Any) -> Part:
    body = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    answer = {"type": "object", "properties": {"champion": _MAYBE, "previous": _MAYBE, "candidate": _MAYBE}}
    shown = {"champion": "20260102-120000-abcdef", "previous": "20260101-120000-abcdef", "candidate": None}
    return {
        "operationId": operation,
        "summary": summary,
        "tags": ["admin"],
        "security": [{"bearer": []}, {"header": []}],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": body, "example": example}},
        },
        "responses": {
            "200": {
                "description": "What the channels name now",
                "content": {"application/json": {"schema": answer, "example": shown}},
            },
            **error_references(400, 404, 413, 415, 422, 503, 504),
        },
    }
