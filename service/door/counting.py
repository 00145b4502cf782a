"""Counts and times every request, by route: made-up paths share one label."""

from __future__ import annotations

import re
import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.metrics import Metrics

ROUTES: Final = (
    "/", "/embed", "/classify", "/generate",
    "/score", "/reconstruct", "/v1/score", "/v1/neighbors", "/v1/interpolate",
    "/v1/embed", "/v1/embeddings", "/v1/classify", "/v1/generate", "/v1/sample", "/v1/reconstruct", "/v1/models",
    "/v2", "/v2/health/live", "/v2/health/ready", "/v2/repository/index",
    *(f"/v2/models/{model}{what}" for model in ("encoder", "decoder") for what in ("", "/ready", "/infer")),
    "/v1/admin/promote", "/v1/admin/rollback",
    "/openapi.json", "/docs.json", "/schema.json", "/livez", "/readyz", "/healthz", "/metrics",
)  # fmt: skip

# Of a model: releases come and go, and their names would pile up.
_VERSION = re.compile(r"^(/v2/models/\w+)/versions/[^/]+")


class CountRequests:
    """Counts and times every request, by route: made-up paths share one label."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        metrics = self.metrics
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        route = _route(scope["path"])

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                metrics.requests.labels(route, str(message["status"])).inc()
            await send(message)

        await self.app(scope, receive, counted)
        metrics.seconds.labels(route).observe(time.perf_counter() - started)


def _route(path: str) -> str:
    path = _VERSION.sub(r"\1", path)
    if path in ROUTES:
        return path
    return "/v1/models/{release}" if path.startswith("/v1/models/") else "other"
