"""What a probe says to somebody without a key: its status, and not why."""

from __future__ import annotations

from starlette.types import Message, Send

from service.errors import shaped_body


def quiet(send: Send) -> Send:
    """A `send` that replaces the body of an error: a reason may name a release, or a path of this machine."""
    is_error = False

    async def quietly(message: Message) -> None:
        nonlocal is_error
        if message["type"] == "http.response.start":
            is_error = message["status"] >= 400
            if is_error:
                content = shaped_body(message["status"], "not now; who shows a key is told why")
                length = str(len(content)).encode()
                headers = [(b"content-type", b"application/json"), (b"content-length", length)]
                await send({"type": "http.response.start", "status": message["status"], "headers": headers})
                await send({"type": "http.response.body", "body": content})
                return
        if not is_error:
            await send(message)

    return quietly
