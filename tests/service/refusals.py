"""What every refusal over HTTP must look like."""

from __future__ import annotations

import httpx


def refused(answer: httpx.Response, status: int, code: str, field: str | None, *words: str) -> None:
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    assert list(body) == ["error"], body
    assert set(body["error"]) == {"code", "message", "field"}
    assert (answer.status_code, body["error"]["code"], body["error"]["field"]) == (status, code, field), body
    for word in words:
        assert word in body["error"]["message"], body
