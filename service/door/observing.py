"""Notes how each piece of work ended, for the release that was live when it came."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.watch import Outcomes

_FAILED: Final = 500
# Moves of the champion are no work of a release.
_NO_WORK: Final = "/v1/admin"


class ObserveAnswers:
    """Notes of every POST whether it was answered by a 5xx; all work of a release is asked for so."""

    def __init__(self, app: ASGIApp, outcomes: Outcomes) -> None:
        self.app = app
        self.outcomes = outcomes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        release = self.outcomes.live()
        if (
            scope["type"] != "http"
            or scope["method"] != "POST"
            or release is None
            or scope["path"].startswith(_NO_WORK)
        ):
            await self.app(scope, receive, send)
            return

        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self.outcomes.note(release, failed=message["status"] >= _FAILED)
            await send(message)

        try:
            await self.app(scope, receive, noted)
        except Exception:
            if not started:
                self.outcomes.note(release, failed=True)
            raise
