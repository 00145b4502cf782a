"""Who may pass: every request is looked at here, whoever answers it, and what is not allowed is refused.

As soon as a home holds keys, one must be shown, in `Authorization: Bearer ...` or in `X-API-Key`. Where it holds none,
only this machine is answered, unless the service was told to be open to all. It runs for every request, so that it
reads the headers as they came.
"""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from service.door.quiet_probes import quiet
from service.door.rate import Rates
from service.door.scopes import PAGE, PROBES, needed_scope
from service.errors import NoKeyError, NotReadyError, RequestError, WrongScopeError, error_response
from service.keys.address import is_loopback
from service.keys.key_file import Key
from service.keys.key_file import Scope as KeyScope
from service.keys.ring import KeyRing
from service.settings import Settings

# Where what was found out lies in an ASGI scope: the key, or None; and, at the page, whether it may say what is live.
KEY: Final = "manifold.key"
MAY_SEE: Final = "manifold.may_see"


class DemandKey:
    """Lets a request pass whose key is for what it asks; refuses all others, each in the one shape.

    Args:
        app: what is behind the door.
        settings: where the keys lie, how often to look at them, what to do without any, and the default rate.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._settings = settings
        self._ring = KeyRing(settings.at, settings.poll_seconds)
        self._rates = Rates(settings.rate_limit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # There are no routes but those of HTTP: a WebSocket is closed before it opens.
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            else:
                await self.app(scope, receive, send)
            return
        path = scope["path"]
        try:
            self._admit(scope, needed_scope(path, admin=self._settings.admin))
        except RequestError as refusal:
            if path in PROBES:
                send = quiet(send)
            elif path == PAGE:
                scope[MAY_SEE] = False
            else:
                await error_response(refusal)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _admit(self, scope: Scope, needed: KeyScope) -> None:
        """Note whose request it is, if it may pass.

        Raises:
            NoKeyError, WrongScopeError, RateLimitError: it may not.
            NotReadyError: the keys cannot be read.
        """
        ring = self._ring
        ring.refresh()
        scope[KEY] = None
        if not ring.is_demanding and needed != "admin":
            if not self._settings.open_to_all and not _is_from_here(scope):
                raise NoKeyError(
                    "this service has no keys, and answers its own machine only: `manifold keys new` makes a key, "
                    "MANIFOLD_OPEN_TO_ALL=true opens it to all"
                )
            return
        if ring.failure is not None:
            raise NotReadyError("the keys cannot be read; the service's log says why")
        presented = _presented(scope)
        if presented is None:
            raise NoKeyError("a key is needed: Authorization: Bearer ..., or X-API-Key", field="Authorization")
        key = ring.find(presented)
        if key is None:
            raise NoKeyError("the key is not known, was revoked, or has expired", field="Authorization")
        if needed not in key.scopes:
            raise WrongScopeError(f"key {key.id} is for {', '.join(key.scopes)}; this is for {needed}")
        scope[KEY] = key
        self._rates.take(key)


def key_of(scope: Scope) -> Key | None:
    """The key that a request was let in with; None where none was needed."""
    key: Key | None = scope.get(KEY)
    return key


def _presented(scope: Scope) -> bytes | None:
    """What a client shows. `X-API-Key` comes first: `Authorization` may be for a proxy on the way."""
    bearer: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            shown: bytes = value
            return shown
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            bearer = value[7:].strip()
    return bearer


def _is_from_here(scope: Scope) -> bool:
    """Whether both ends of a connection are on this machine; an end without a port is a Unix socket.

    Which address it came to cannot be claimed; whom it came from can be in `X-Forwarded-For`, by a proxy on this
    machine only.
    """
    return all(end is None or end[1] is None or is_loopback(end[0]) for end in (scope.get("server"), scope["client"]))
