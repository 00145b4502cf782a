"""How much a client may send: bytes are counted as they arrive, whatever the headers promise."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import TooLargeError, UnsupportedTypeError, error_response

# BentoML refuses it too, with a traceback in the log.
_PICKLE = "application/vnd.bentoml+pickle"


class BodyLimit:
    """Refuses bodies over a number of bytes, compressed ones, and pickles.

    A body that states its length is refused before it is read. One that does not is counted: whoever reads
    past the limit gets a `TooLargeError` from `receive`.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self.max_body_bytes
        headers = Headers(scope=scope)
        refusal = _refusal(headers, limit)
        if refusal is not None:
            await error_response(refusal)(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise too_many_bytes(limit)
            return message

        await self.app(scope, counted, send)


def too_many_bytes(limit: int) -> TooLargeError:
    """What a client is told whose body is over the limit."""
    return TooLargeError(f"body: more than {limit:,} bytes came; send fewer rows at a time", field="body")


def _refusal(headers: Headers, limit: int) -> TooLargeError | UnsupportedTypeError | None:
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        return UnsupportedTypeError(
            f"Content-Encoding: {encoding} came; bodies are accepted uncompressed only",
            field="Content-Encoding",
        )
    if headers.get("content-type", "").lower().startswith(_PICKLE):
        return UnsupportedTypeError("Content-Type: pickles are never read", field="Content-Type")
    length = headers.get("content-length", "")
    # Digits only: int() would accept much that is no length. The server has refused malformed ones before.
    if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > limit):
        return too_many_bytes(limit)
    return None
