"""The span of each request: it is there only where tracing was asked for."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.trace import StatusCode
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.door.counting import route_of
from service.door.request_ids import current_request_id
from service.tracing import Tracing


class TraceRequests:
    """Begins a span of each request, which its stages come below, and ends it with the answer."""

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self.app = app
        self.tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        span = self.tracing.begin(scope["method"], route_of(scope["path"]), scope["headers"])
        if not span.is_recording():
            await self.app(scope, receive, send)
            return

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                span.set_attribute("http.response.status_code", message["status"])
                if message["status"] >= 500:
                    span.set_status(StatusCode.ERROR)
            await send(message)

        span.set_attribute("manifold.request_id", current_request_id.get())
        with trace.use_span(span, end_on_exit=True, record_exception=False):
            await self.app(scope, receive, noted)
