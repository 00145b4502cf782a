"""What a connection may do before and after its requests: uvicorn with httptools bounds neither the bytes of a head,
nor the time that it takes, nor how long an answer lies unread.

A request's body has its deadline in `service.routes`, and its bytes are counted in `service.door.body_limit`.
"""

from __future__ import annotations

import asyncio
from typing import Final, cast

import uvicorn.config
from starlette.types import Receive, Scope, Send
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.door.one_shape import OneShape
from service.errors import RETRY_AFTER, shaped_body, shaped_response
from service.settings import Settings, read_settings

MOST_HEAD_BYTES: Final = 64 * 1024
MOST_HEADERS: Final = 100
MOST_PIPELINED: Final = 100
# How long what a client still sends after its answer is thrown away: closed at once, it would not see the answer.
LINGER_SECONDS: Final = 2.0
_LOOK_SECONDS: Final = 0.25
_LEAST_BYTES_A_SECOND: Final = 16 * 1024
_PHRASES: Final = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large",
                   503: "Service Unavailable"}  # fmt: skip
_NO_UPGRADE: Final = "no other protocol is spoken here, and a body beside Upgrade is not read; leave Upgrade out"
_TOO_LARGE: Final = f"a request's line and headers may be {MOST_HEAD_BYTES:,} bytes and {MOST_HEADERS} headers in all"


def guard_connections() -> None:
    """Let uvicorn make each connection a `Connection`. BentoML, which starts it, passes no protocol on."""
    uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{__name__}:{Connection.__name__}"


class Connection(HttpToolsProtocol):
    """A connection that ends when its client takes too long, sends too much, or does not read."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look after it; where there are too many, the one that has done nothing for longest goes."""
        super().connection_made(transport)
        self._settings: Settings = read_settings()
        self._waits_since = self.loop.time()
        self._served = False
        # Bytes that came since the parser last reported more than a header.
        self._unheard = 0
        self._answering: RequestResponseCycle | None = None
        self._refused_at: float | None = None
        self._closing_at: float | None = None
        self._paused: tuple[float, int] | None = None
        self._watch = self.loop.call_later(_LOOK_SECONDS, self._look)
        if len(self.connections) > self._settings.max_connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop looking after it, and tell every request that its client has gone."""
        self._watch.cancel()
        self._tell_gone()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless it has been refused: then what comes is thrown away."""
        if self._refused_at is not None:
            return
        self._unheard += len(data)
        super().data_received(data)
        # A head, or what follows a chunked body, without an end.
        if self._unheard > MOST_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(431, _TOO_LARGE)

    def on_headers_complete(self) -> None:
        """Let the request through to the application, or to its refusal."""
        upgrades = self.parser.should_upgrade()
        if self._is_too_large():
            # Longer than can be parsed, perhaps.
            self.url = self.url[:1000]
            self.app = _answer_too_large
        elif upgrades and any(name in (b"content-length", b"transfer-encoding") for name, _ in self.headers):
            self.app = _answer_no_upgrade
        self._unheard = 0
        super().on_headers_complete()
        self.app = self.config.loaded_app
        if upgrades:
            # httptools skips its body, and would take it for the next request.
            self.cycle.keep_alive = False
            self._refused_at = self.loop.time()
        if len(self.pipeline) > MOST_PIPELINED:
            self._tell_gone()
            self.transport.abort()

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body; what is sent after the answer is thrown away."""
        self._unheard = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the client owes nothing more of this request."""
        self._unheard = 0
        # uvicorn would not, where the answer came before the body's end.
        self.cycle.more_body = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request from now on."""
        self._waits_since = self.loop.time()
        self._served = True
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Note since when the client has not read what it was sent."""
        self._paused = self.loop.time(), self.transport.get_write_buffer_size()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Note that it has."""
        self._paused = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  (uvicorn's own words)
        """Say in the one shape that this is no HTTP."""
        self._refuse(400, "what came is no valid HTTP/1.1 request; its head or its chunks are malformed")

    def _should_upgrade_to_ws(self) -> bool:
        """Nothing here speaks WebSocket."""
        return False

    def _unsupported_upgrade_warning(self) -> None:
        """Silent: anybody could fill the log."""

    @property
    def is_busy(self) -> bool:
        """Whether a request is being answered."""
        # There is none before the first request, whatever uvicorn's types say.
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not (cycle.response_complete or cycle.disconnected)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _tell_gone(self) -> None:
        """Let what is being answered know that nobody reads it; uvicorn tells the newest of pipelined requests only."""
        if self._answering is not None and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()
        self.pipeline.clear()

    def _is_too_large(self) -> bool:
        if len(self.headers) > MOST_HEADERS:
            return True
        # What came may have been a body, too.
        fields = (
            sum(len(name) + len(value) + 4 for name, value in self.headers) if self._unheard > MOST_HEAD_BYTES else 0
        )
        return len(self.url) + fields > MOST_HEAD_BYTES

    def _look(self) -> None:
        """End it, if its client has had its time; else look again soon."""
        now = self.loop.time()
        self._watch = self.loop.call_later(_LOOK_SECONDS, self._look)
        if self.transport.is_closing():
            # It waits for the client to read what is left.
            self._closing_at = self._closing_at or now
            if now - self._closing_at > self._settings.deadline_seconds:
                self.transport.abort()
        elif self._paused is not None:
            self._look_at_reading(now, *self._paused)
        elif self._refused_at is not None and not self.is_busy:
            if now - self._refused_at > LINGER_SECONDS:
                self.transport.close()
        elif not self.is_busy:
            self._look_at_waiting(now - self._waits_since)

    def _look_at_reading(self, now: float, since: float, size: int) -> None:
        seconds = now - since
        if seconds <= self._settings.deadline_seconds:
            return
        left = self.transport.get_write_buffer_size()
        if size - left < _LEAST_BYTES_A_SECOND * seconds:
            self.transport.abort()
        else:
            self._paused = now, left

    def _look_at_waiting(self, seconds: float) -> None:
        """While no request is being answered: for the rest of a body, or for the next head."""
        if self._served and self.cycle.more_body:
            if seconds > LINGER_SECONDS:
                self.transport.close()
            return
        limit = self._settings.head_seconds
        if seconds <= limit + (self.timeout_keep_alive if self._served else 0):
            return
        if self._unheard:
            self._refuse(408, f"the request's line and headers did not come within {limit:g} s")
        self.transport.close()

    def _make_room(self) -> None:
        idle = [other for other in self.connections if isinstance(other, Connection) and not other.is_busy]
        # This one waits, too, and is the newest.
        longest = min(idle, key=lambda other: other._waits_since)
        if longest is self:
            self._refuse(503, f"{self._settings.max_connections:,} connections are served already; try again")
        else:
            longest.transport.close()

    def _refuse(self, status: int, message: str) -> None:
        """Answer outside of the application; what else the client sends is thrown away."""
        self._refused_at = self.loop.time()
        self._unset_keepalive_if_required()
        if self.is_busy and not self.cycle.more_body:
            # What is wrong comes after a whole request, whose answer is the last.
            self.cycle.keep_alive = False
            return
        if self.is_busy and (self.pipeline or self.cycle.response_started):
            # It would be taken for the answer to what came before.
            self._tell_gone()
            self.transport.abort()
            return
        if not self.is_busy and self._served and self.cycle.more_body:
            # Answered already, before its body turned out to be wrong.
            return
        self._tell_gone()
        body = shaped_body(status, message)
        retry = f"retry-after: {RETRY_AFTER[status]}\r\n" if status in RETRY_AFTER else ""
        self.transport.write(
            f"HTTP/1.1 {status} {_PHRASES[status]}\r\ncontent-type: application/json\r\n{retry}"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
            + body
        )
        self.transport.write_eof()


async def _too_large(scope: Scope, receive: Receive, send: Send) -> None:
    await shaped_response(431, _TOO_LARGE)(scope, receive, send)


async def _no_upgrade(scope: Scope, receive: Receive, send: Send) -> None:
    await shaped_response(400, _NO_UPGRADE, "Upgrade")(scope, receive, send)


# Typed as uvicorn has it, which is the same.
_answer_too_large: Final = cast(ASGI3Application, OneShape(_too_large))
_answer_no_upgrade: Final = cast(ASGI3Application, OneShape(_no_upgrade))
