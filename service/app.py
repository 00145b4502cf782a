"""The application that answers the routes, and the worker they work with."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from service.errors import shaped_response
from service.routes import Entry, answered, entries, route_of


class App(Starlette):
    """Starlette, but for routes whose path is plain text: those are found at once.

    Its two wrappers for errors and its router took a third of a small request's time. Errors that are foreseen are
    answered by `service.routes.answered` in any case; others are an answer of 500 here too, and go to the server's log.
    """

    def __init__(self, table: list[Entry]) -> None:
        super().__init__(routes=[route_of(entry) for entry in table])
        self._plain = {(entry.method, entry.path): entry.operation for entry in table if "{" not in entry.path}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        operation = self._plain.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if operation is None:
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        try:
            response = await answered(operation, self.state.worker, Request(scope, receive))
        except Exception:
            await shaped_response(500, "something went wrong here; the service's log says what")(scope, receive, send)
            raise
        await response(scope, receive, send)


def create_app(*, admin: bool = False) -> App:
    """The application, with or without the admin routes. Its `state.worker` is set when the process that serves it
    starts."""
    return App(entries(admin=admin))
