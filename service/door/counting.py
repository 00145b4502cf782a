"""What is kept of every request: a name, its count and time by route, perhaps a line in the log.

Made-up paths share one label.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.door.access_log import AccessLog
from service.door.leaving import Leaving
from service.door.request_ids import HEADER, RequestIds, current_request_id
from service.metrics import Metrics

ROUTES: Final = frozenset((
    "/", "/embed", "/classify", "/generate",
    "/score", "/reconstruct", "/v1/score", "/v1/neighbors", "/v1/interpolate",
    "/v1/embed", "/v1/embeddings", "/v1/classify", "/v1/generate", "/v1/sample", "/v1/reconstruct", "/v1/models",
    "/v2", "/v2/health/live", "/v2/health/ready", "/v2/repository/index",
    *(f"/v2/models/{model}{what}" for model in ("encoder", "decoder") for what in ("", "/ready", "/infer")),
    "/v1/admin/promote", "/v1/admin/rollback",
    "/openapi.json", "/docs.json", "/schema.json", "/livez", "/readyz", "/healthz", "/metrics",
))  # fmt: skip

# What other servers write in their logs, too, where the client left before its answer.
CLIENT_LEFT: Final = 499
# What the server makes of an error that nobody has foreseen.
_NO_ANSWER: Final = 500

# Of a model: releases come and go, and their names would pile up.
_VERSION = re.compile(r"^(/v2/models/\w+)/versions/[^/]+")


class CountRequests:
    """Names, counts, times and perhaps logs every request, and gives up those whose clients have left.

    Args:
        app: what answers.
        metrics: where requests are counted.
        access_log: is told of each answer.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, access_log: AccessLog) -> None:
        self.app = app
        self.metrics = metrics
        self.access_log = access_log
        self.ids = RequestIds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = self.ids.of(scope["headers"])
        current_request_id.set(request_id)
        client = Leaving(receive)
        status = 0

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                client.end()
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), (HEADER, request_id.encode())]}
            await send(message)

        try:
            await self.app(scope, client.receive, named)
            if client.left:
                # Cancelled when it had no more to wait for: that comes out here.
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            if not client.left:
                raise
            # Said to nobody; but BentoML waits for an answer, or else for its timeout.
            _uncancel()
            await named({"type": "http.response.start", "status": CLIENT_LEFT, "headers": []})
            await named({"type": "http.response.body", "body": b""})
        finally:
            client.end()
            self._note(scope, status or _NO_ANSWER, time.perf_counter() - started)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = route_of(scope["path"])
        self.metrics.requests.labels(route, str(status)).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        self.access_log.note(scope["method"], route, status, seconds)


def _uncancel() -> None:
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()


def route_of(path: str) -> str:
    """The route that a path belongs to: those of models without their version, unknown ones all `other`."""
    if path in ROUTES:
        return path
    path = _VERSION.sub(r"\1", path)
    if path in ROUTES:
        return path
    return "/v1/models/{release}" if path.startswith("/v1/models/") else "other"
