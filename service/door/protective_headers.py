"""What browsers are told with every answer: guess no types, show it in no frame, run nothing, keep nothing."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ALWAYS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
# An answer that says otherwise itself knows what it does: a page that has styles, a picture that never changes.
_POLICY: Final = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
# Vectors are made of somebody's data, and no cache on the way should keep them.
_NOT_KEPT: Final = (b"cache-control", b"no-store")


class ProtectiveHeaders:
    """Adds them to every answer, errors too."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message.get("headers", ())
                names = {name for name, _ in given}
                added = [header for header in (_POLICY, _NOT_KEPT) if header[0] not in names]
                message["headers"] = [*given, *_ALWAYS, *added]
            await send(message)

        await self.app(scope, receive, protected)
