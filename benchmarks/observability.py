"""`make bench-observability`: what it costs a request to be counted, named, listened to, logged and traced.

Each part is called as one request of one row calls it, in this process and without a socket, so that a few
microseconds are not lost in a network's noise; all parts once a round, interleaved. Metrics go to the files that the
workers of one server share; log lines are written to nowhere, and spans are dropped where they would be sent.
`ours_over_bare` is a whole request, from its bytes to its answer's, with all that is on by default over the same
without.
"""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Scope

from benchmarks.harness import Row, Samples, interleave, publish, ratio
from service.batching import Batcher, Observer
from service.door.access_log import AccessLog
from service.door.counting import CountRequests
from service.door.leaving import Leaving
from service.door.request_ids import RequestIds, current_request_id
from service.logs import set_up_logs
from service.metrics import Metrics
from service.tracing import Tracing

_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
# Microseconds.
_GOALS: Final = {
    "metrics": 15,
    "request_id": 1,
    "leaving": 5,
    "access_log_1": 50,
    "access_log_0": 1,
    "tracing_sampled": 200,
    "tracing_not_sampled": 20,
}
_ROUNDS: Final = 15
_TIMES: Final = 2000
_BODY: Final = orjson.dumps({"x": np.random.default_rng(0).random((1, 784)).round(3).tolist()})
_TRACED: Final = [(b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]
_NOT_TRACED: Final = [(b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")]
_ROUTE: Final = "/v1/embed"


class Multiply:
    """A layer of 784 to 30."""

    batch_rows = 128

    def __init__(self) -> None:
        self._weights = np.random.default_rng(0).normal(size=(784, 30)).astype(np.float32)

    def __call__(self, rows: Any, /) -> Any:
        return rows @ self._weights


class Unseen:
    """An observer that looks away."""

    def queued(self, _rows: int) -> None: ...

    def ran(self, _work: object, _rows: int, _seconds: float) -> None: ...

    def answered(self, _work: object, _arrived: float, _started: float, _finished: float) -> None: ...


class Nowhere(SpanExporter):
    """Takes spans and drops them."""

    def export(self, _spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def main() -> None:
    """Measure and publish every row of the table."""
    # As in a served process: BentoML's own logger is where handlers are.
    logger = logging.getLogger("bentoml")
    logger.setLevel(logging.INFO)
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        logger.addHandler(logging.StreamHandler(nowhere))
        set_up_logs("json")
        publish("observability", asyncio.run(_rows()))


async def _rows() -> list[Row]:
    metrics, tracing = Metrics(), Tracing(Nowhere())
    parts = await _interleaved(
        {
            "metrics": _as_task(lambda: _count(metrics)),
            "request_id": _as_task(_name_with(RequestIds())),
            "leaving": _listen,
            "access_log_1": _as_task(lambda: AccessLog(1).note("POST", _ROUTE, 200, 0.001)),
            "access_log_0": _as_task(lambda: AccessLog(0).note("POST", _ROUTE, 200, 0.001)),
            "tracing_sampled": _as_task(lambda: _trace(tracing, _TRACED)),
            "tracing_not_sampled": _as_task(lambda: _trace(tracing, _NOT_TRACED)),
        }
    )
    rows = [_micros(name, samples, goal=_GOALS[name]) for name, samples in parts.items()]
    default = [parts[name] for name in ("metrics", "request_id", "leaving", "access_log_0")]
    together = Samples(tuple(map(sum, zip(*(samples.values for samples in default), strict=True))))
    rows.append(_micros("all_that_is_on", together, goal=20))
    whole = await _interleaved({"ours": _asked(metrics), "bare": _asked(None)})
    rows.append(ratio("ours_over_bare", whole, "ours", "bare", goal=1.1, better="lower"))
    return rows


def _micros(name: str, samples: Samples, *, goal: float) -> Row:
    in_micros = Samples(tuple(value * 1e6 for value in samples.values))
    return Row(f"{name}_us", in_micros.median, "µs", goal, "lower", sides={"ours": in_micros.as_side()})


async def _interleaved(sides: Mapping[str, Callable[[], Awaitable[None]]]) -> dict[str, Samples]:
    """Seconds of one call of each side."""
    loop = asyncio.get_running_loop()

    async def measured(side: Callable[[], Awaitable[None]]) -> float:
        started = time.perf_counter()
        for _ in range(_TIMES):
            await side()
        return (time.perf_counter() - started) / _TIMES

    def outside(side: Callable[[], Awaitable[None]]) -> Callable[[], float]:
        return lambda: asyncio.run_coroutine_threadsafe(measured(side), loop).result()

    return await asyncio.to_thread(interleave, {name: outside(side) for name, side in sides.items()}, rounds=_ROUNDS)


def _as_task(part: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    async def called() -> None:
        part()

    return called


def _count(metrics: Metrics) -> None:
    now = time.perf_counter()
    metrics.observe_stage("read", 0.001)
    metrics.ran(_WORK, 1, 0.001)
    metrics.queued(0)
    metrics.answered(_WORK, now, now, now)
    metrics.rows.labels("embed").inc(1)
    metrics.observe_stage("write", 0.001)
    metrics.requests.labels(_ROUTE, "200").inc()
    metrics.seconds.labels(_ROUTE).observe(0.001)


def _name_with(ids: RequestIds) -> Callable[[], None]:
    def named() -> None:
        name = ids.of([(b"host", b"x"), (b"content-type", b"application/json"), (b"content-length", b"9")])
        current_request_id.set(name)
        name.encode()

    return named


async def _listen() -> None:
    client = Leaving(_receive)
    await client.receive()
    client.end()


def _trace(tracing: Tracing, headers: list[tuple[bytes, bytes]]) -> None:
    span = tracing.begin("POST", _ROUTE, headers)
    if not span.is_recording():
        return
    span.set_attribute("http.response.status_code", 200)
    now = time.perf_counter()
    with trace.use_span(span, end_on_exit=True):
        for stage in ("read", "queue", "run", "write"):
            tracing.stage(stage, now, now)


def _asked(metrics: Metrics | None) -> Callable[[], Awaitable[None]]:
    """A whole request to an application that reads, batches, runs and writes, seen by all or by nobody."""
    observer: Observer = Unseen() if metrics is None else metrics
    batcher = Batcher(1000, observer)

    async def embed(request: Request) -> Response:
        rows = np.asarray(orjson.loads(await request.body())["x"], np.float32)
        if metrics is not None:
            metrics.observe_stage("read", 0.001)
        answers = await batcher.run(_WORK, rows)
        if metrics is not None:
            metrics.rows.labels("embed").inc(len(rows))
            metrics.observe_stage("write", 0.001)
        return Response(orjson.dumps({"z": answers}, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")

    app: ASGIApp = Starlette(routes=[Route(_ROUTE, embed, methods=["POST"])])
    if metrics is not None:
        app = CountRequests(app, metrics, AccessLog(0))

    async def asked() -> None:
        await app(_scope(), _receive, _send)

    return asked


def _scope() -> Scope:
    headers = [(b"host", b"x"), (b"content-type", b"application/json")]
    return {
        "type": "http", "method": "POST", "path": _ROUTE, "raw_path": _ROUTE.encode(), "query_string": b"",
        "headers": headers, "http_version": "1.1", "scheme": "http", "server": ("x", 80), "client": ("x", 1),
    }  # fmt: skip


async def _receive() -> Message:
    return {"type": "http.request", "body": _BODY, "more_body": False}


async def _send(_message: Message) -> None:
    pass


_WORK: Final = Multiply()

if __name__ == "__main__":
    if _FOLDER in os.environ:
        main()
    else:
        # prometheus-client reads it when it is imported.
        with tempfile.TemporaryDirectory(prefix="manifold-bench-") as folder:
            command = [sys.executable, "-m", "benchmarks.observability"]
            subprocess.run(command, env=os.environ | {_FOLDER: folder}, check=True)
