"""Spans as OTLP has them, in JSON over HTTP: every collector takes that, and it needs no further package.

Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp, and the JSON mapping beside it.
"""

from __future__ import annotations

import logging
import os
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx
import orjson
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

_logger = logging.getLogger("bentoml.manifold")

_DEFAULT_ENDPOINT: Final = "http://localhost:4318"
_DEFAULT_SECONDS: Final = 10.0
_KINDS: Final = {"INTERNAL": 1, "SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}


class OtlpExporter(SpanExporter):
    """Posts spans to a collector. Those that it does not take are lost, and the log says so.

    Args:
        url: where to.
        headers: sent with each post, a collector's key for example.
        seconds: that a post may take.
    """

    def __init__(self, url: str, headers: Mapping[str, str], seconds: float) -> None:
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise ValueError(f"OTEL_EXPORTER_OTLP_ENDPOINT: {url} came, an http or https address expected")
        self._url = url
        self._headers = {"Content-Type": "application/json", **headers}
        self._seconds = seconds

    @classmethod
    def from_environment(cls) -> OtlpExporter:
        """As the standard variables say: those of traces come before the general ones."""
        base = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", _DEFAULT_ENDPOINT)
        url = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{base.rstrip('/')}/v1/traces")
        listed = _either("HEADERS").split(",") if _either("HEADERS") else []
        pairs = (entry.partition("=") for entry in listed)
        headers = {name.strip(): urllib.parse.unquote(value.strip()) for name, _, value in pairs}
        return cls(url, headers, float(_either("TIMEOUT") or _DEFAULT_SECONDS))

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Post spans; called in OpenTelemetry's own thread."""
        try:
            answer = httpx.post(self._url, content=_body(spans), headers=self._headers, timeout=self._seconds)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            _logger.warning("%d spans were not taken by %s: %s", len(spans), self._url, error)
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS


def _either(name: str) -> str:
    general = os.environ.get(f"OTEL_EXPORTER_OTLP_{name}", "")
    return os.environ.get(f"OTEL_EXPORTER_OTLP_TRACES_{name}", general)


def _body(spans: Sequence[ReadableSpan]) -> bytes:
    # All of one process, hence of one resource.
    resource = _attributes(spans[0].resource.attributes) if spans else []
    scope = {"name": "manifold"}
    return orjson.dumps(
        {
            "resourceSpans": [
                {
                    "resource": {"attributes": resource},
                    "scopeSpans": [{"scope": scope, "spans": list(map(_span, spans))}],
                }
            ]
        }
    )


def _span(span: ReadableSpan) -> dict[str, Any]:
    context, parent = span.get_span_context(), span.parent
    return {
        "traceId": f"{context.trace_id:032x}" if context else "",
        "spanId": f"{context.span_id:016x}" if context else "",
        "parentSpanId": f"{parent.span_id:016x}" if parent else "",
        "name": span.name,
        "kind": _KINDS[span.kind.name],
        # Whole numbers of 64 bits are text in this JSON.
        "startTimeUnixNano": str(span.start_time),
        "endTimeUnixNano": str(span.end_time),
        "attributes": _attributes(span.attributes or {}),
        "status": {"code": span.status.status_code.value},
    }


def _attributes(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    return {"stringValue": str(value)}
