"""What schemathesis looks for beside its own checks; it loads this file by `SCHEMATHESIS_HOOKS`."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.check
def one_shape(_context: Any, response: Any, case: Any) -> None:
    """Every error is `{"error": {"code", "message", "field"}}`, below /v2 `{"error": "..."}`, as JSON."""
    if response.status_code < 400 or case.method == "HEAD":
        return
    assert response.headers["content-type"] == ["application/json"], response.headers
    body = response.json()
    assert list(body) == ["error"], body
    if case.path.startswith("/v2"):
        assert isinstance(body["error"], str), body
    else:
        assert set(body["error"]) == {"code", "message", "field"}, body
