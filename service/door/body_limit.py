"""How much a client may send, and all together: bytes are counted as they arrive, whatever the headers promise."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import QueueFullError, TooLargeError, UnsupportedTypeError, error_response

# BentoML refuses it too, with a traceback in the log.
_PICKLE = "application/vnd.bentoml+pickle"
# A body that is no larger is read however many bytes of others are held: large ones keep out no small one.
SMALL_BODY_BYTES = 256 * 1024


class BodyLimit:
    """Refuses bodies over a number of bytes, compressed ones, and pickles.

    A body that states its length is refused before it is read. One that does not is counted: whoever reads
    past the limit gets a `TooLargeError` from `receive`. Where all bodies that are being read or answered come to more
    than `max_held_bytes`, the large one among them that brings it there gets a `QueueFullError`.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int, max_held_bytes: int) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes
        self.max_held_bytes = max_held_bytes
        self.held_bytes = 0

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
            came = len(message.get("body", b""))
            received += came
            self.held_bytes += came
            if received > limit:
                raise too_many_bytes(limit)
            # A request alone is always taken.
            if self.held_bytes > max(self.max_held_bytes, received) and received > SMALL_BODY_BYTES:
                raise QueueFullError(
                    f"bodies of {self.max_held_bytes:,} bytes are being read already; try again", field="body"
                )
            return message

        try:
            await self.app(scope, counted, send)
        finally:
            self.held_bytes -= received


def too_many_bytes(limit: int) -> TooLargeError:
    """What a client is told whose body is over the limit."""
    return TooLargeError(f"body: more than {limit:,} bytes came; send fewer rows at a time", field="body")


def _refusal(headers: Headers, limit: int) -> TooLargeError | UnsupportedTypeError | None:
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        return UnsupportedTypeError(
            f"Content-Encoding: {encoding:.80} came; bodies are accepted uncompressed only",
            field="Content-Encoding",
        )
    if headers.get("content-type", "").lower().startswith(_PICKLE):
        return UnsupportedTypeError("Content-Type: pickles are never read", field="Content-Type")
    length = headers.get("content-length", "")
    # Digits only: int() would accept much that is no length. The server has refused malformed ones before.
    if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > limit):
        return too_many_bytes(limit)
    return None
