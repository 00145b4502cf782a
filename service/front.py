"""Our own stack in front of BentoML's, by the one method that its server calls: `Service.to_asgi`.

BentoML puts each request through OpenTelemetry (`_bentoml_impl/server/app.py`, `middlewares`: in full, whatever
OTEL_SDK_DISABLED says), through a timeout whose timer is never cancelled (`bentoml/_internal/server/http/traffic.py`,
`TimeoutMiddleware`: 1.3 kB a request stay until it is due), and through two routers, before a mounted application sees
it; that was half of a small request's time, and middleware that is added to it comes after most of it. So `/v1` and
`/v2` are answered here. All else is BentoML's: its health checks, its native endpoints, its lifespan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from bentoml import Service
from starlette.types import ASGIApp, Receive, Scope, Send

_OURS = ("/v1/", "/v2")


class Layer(NamedTuple):
    """A middleware and what it is made with."""

    middleware: Callable[..., ASGIApp]
    options: Mapping[str, Any] = MappingProxyType({})


class Front:
    """Sends a request to our application or to BentoML's.

    Args:
        ours: answers `/v1` and `/v2`.
        bentos: answers all else, and is told of start and end.
    """

    def __init__(self, ours: ASGIApp, bentos: ASGIApp) -> None:
        self.ours = ours
        self.bentos = bentos

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ours = scope["type"] == "http" and scope["path"].startswith(_OURS)
        await (self.ours if ours else self.bentos)(scope, receive, send)


def put_in_front(service: Any, ours: ASGIApp, layers: Sequence[Layer]) -> None:
    """Let a BentoML service be served with our application and middleware in front of its own.

    Args:
        service: what `bentoml.service` made of a class; it stays a `bentoml.Service` in every other way.
        ours: the application that answers `/v1` and `/v2`.
        layers: what every request passes, the outermost first.
    """

    class Fronted(Service):  # type: ignore[misc]
        # The same fields, so that an instance can become one: its decorator makes no other class than its own.
        __slots__ = ()

        def to_asgi(self, is_main: bool = True) -> ASGIApp:
            app: ASGIApp = Front(ours, super().to_asgi(is_main))
            for layer in reversed(layers):
                app = layer.middleware(app, **layer.options)
            return app

    service.__class__ = Fronted
