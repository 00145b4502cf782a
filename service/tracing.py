"""OpenTelemetry, when it is asked for: a span of each request, and of its stages below it.

Where spans go to, and which, is said by OpenTelemetry's own variables: `OTEL_EXPORTER_OTLP_ENDPOINT`,
`OTEL_TRACES_SAMPLER`, `OTEL_SERVICE_NAME`, ... Nothing of a request's rows or keys is in a span.
"""

from __future__ import annotations

import os
import time
from functools import cached_property
from typing import Final

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.sdk.environment_variables import OTEL_SERVICE_NAME
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, SpanKind

from service.otlp import OtlpExporter

_SERVICE: Final = "manifold"


class Tracing:
    """Begins spans. Its provider, and the thread that sends, begin with the first.

    Args:
        exporter: where spans go to; by default as the environment says.
    """

    def __init__(self, exporter: SpanExporter | None = None) -> None:
        self._exporter = exporter

    def begin(self, method: str, route: str, headers: list[tuple[bytes, bytes]]) -> Span:
        """The span of a request, below the client's own where its headers name one (`traceparent`)."""
        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        parent: Context = propagate.extract(carrier)
        return self._tracer.start_span(
            f"{method} {route}",
            parent,
            SpanKind.SERVER,
            {"http.request.method": method, "http.route": route},
        )

    def stage(self, name: str, started: float, ended: float) -> None:
        """A stage of the request that this is called in; the times are of `time.perf_counter`."""
        if not trace.get_current_span().is_recording():
            return
        zero = time.time_ns() - int(time.perf_counter() * 1e9)
        span = self._tracer.start_span(name, start_time=zero + int(started * 1e9))
        span.end(zero + int(ended * 1e9))

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()

    @cached_property
    def _provider(self) -> TracerProvider:
        resource = Resource.create({"service.name": os.environ.get(OTEL_SERVICE_NAME, _SERVICE)})
        provider = TracerProvider(resource=resource)
        provider.add_span_processor(BatchSpanProcessor(self._exporter or OtlpExporter.from_environment()))
        return provider

    @cached_property
    def _tracer(self) -> trace.Tracer:
        return self._provider.get_tracer("manifold")
