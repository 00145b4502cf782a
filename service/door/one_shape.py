"""Every error has the one shape, whoever made it: BentoML's own routes, its wrapper, and the router answer
with plain text or JSON of their own, which is put into the shape here. Below /v2 all errors, ours too, are put into
the shape of the Open Inference Protocol, which is `{"error": message}`.
"""

from __future__ import annotations

import orjson
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import RETRY_AFTER, protocol_body, shaped_body, speaks_protocol

_MESSAGES = {
    404: "there is no {path:.200} here; GET / lists the routes",
    405: "{method} is not spoken at {path:.200}; GET /openapi.json says what is",
}


class OneShape:
    """Rewrites the body of an error that is not in the shape `{"error": {"code", "message", "field"}}`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start: Message | None = None
        body = b""

        async def shaped(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and message["status"] >= 400:
                start = message
                return
            if start is None:
                await send(message)
                return
            body += message.get("body", b"")
            if message.get("more_body", False):
                return
            content = _in_shape(start["status"], body, scope)
            headers = MutableHeaders(scope=start)
            headers["Content-Type"] = "application/json"
            headers["Content-Length"] = str(len(content))
            if start["status"] in RETRY_AFTER:
                headers.setdefault("Retry-After", RETRY_AFTER[start["status"]])
            await send(start)
            await send({"type": "http.response.body", "body": content})

        await self.app(scope, receive, shaped)


def _in_shape(status: int, body: bytes, scope: Scope) -> bytes:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        content = body.decode("utf-8", "replace").strip()
    if isinstance(content, list) and content:
        # BentoML wraps some of its errors in a list of one.
        content = content[0]
    told = content.get("error") if isinstance(content, dict) else content
    for_protocol = speaks_protocol(scope["path"])
    if isinstance(told, dict) and {"code", "message", "field"} <= told.keys():
        return protocol_body(str(told["message"])) if for_protocol else body
    message = _MESSAGES[status].format(**scope) if status in _MESSAGES else str(told or "no reason was given")
    return protocol_body(message) if for_protocol else shaped_body(status, message)
