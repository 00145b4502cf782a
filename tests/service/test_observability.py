"""What can be seen of the service from outside: request ids, metrics of all workers, logs, traces."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.release.home import Home
from tests.service.processes import Server, serving, wait_for_status
from tests.service.tiny import promote, publish_tiny

ROW = {"x": np.full((1, 4, 4), 0.734375).tolist()}
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@dataclass
class Collector:
    """Takes OTLP in JSON, as OpenTelemetry's own collector does at this path."""

    spans: list[dict[str, Any]] = field(default_factory=list)
    services: set[str] = field(default_factory=set)
    port: int = 0


@dataclass
class Seen:
    """A server of two workers that logs and traces all that it does."""

    server: Server
    collector: Collector


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            assert self.headers["Content-Type"] == "application/json"
            for told in json.loads(self.rfile.read(int(self.headers["Content-Length"])))["resourceSpans"]:
                attributes = {each["key"]: each["value"] for each in told["resource"]["attributes"]}
                collector.services.add(attributes["service.name"]["stringValue"])
                for scope in told["scopeSpans"]:
                    collector.spans += scope["spans"]
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    folder = tmp_path_factory.mktemp("seen")
    home = Home(folder / "home")
    publish_tiny(home, "first")
    promote(home, "first")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        collector.port = listening.server_address[1]
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        with serving(
            folder,
            home,
            BENTOML_CONFIG_OPTIONS="services.manifold.workers=2",
            MANIFOLD_LOG_FORMAT="json",
            MANIFOLD_ACCESS_LOG_SAMPLE="1",
            MANIFOLD_TRACING="true",
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{collector.port}",
            OTEL_BSP_SCHEDULE_DELAY="100",
        ) as server:
            wait_for_status(server, "/readyz", 200)
            until(lambda: value(server, "manifold_live_release", release="first") == 2)
            yield Seen(server, collector)
        listening.shutdown()


def until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def value(server: Server, name: str, **labels: str) -> float:
    """The sum of a metric's samples with these labels among theirs."""
    families = text_string_to_metric_families(httpx.get(f"{server.url}/metrics").text)
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def log_lines(server: Server, **fields: object) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in server.log_text().splitlines() if line.startswith("{")]
    return [line for line in lines if fields.items() <= line.items()]


def test_a_sane_request_id_is_taken_over_and_another_is_made(http: httpx.Client) -> None:
    def asked(**headers: str) -> str:
        answer = http.post("/v1/embed", json=ROW, headers=headers)
        assert answer.headers.get_list("X-Request-Id") == [answer.headers["X-Request-Id"]]
        return answer.headers["X-Request-Id"]

    assert asked(**{"X-Request-Id": "order-17/3"}) == "order-17/3"
    made = [asked(), asked(), asked(**{"X-Request-Id": "no id"}), asked(**{"X-Request-Id": "long" * 99})]
    assert len(set(made)) == 4
    assert all(0 < len(each) <= 128 and each.isascii() for each in made)


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/v1/embed", 405), ("/readyz", 200), ("/v2/x", 404)])
def test_every_answer_has_a_request_id(http: httpx.Client, path: str, status: int) -> None:
    answer = http.get(path, headers={"X-Request-Id": "mine"})
    assert answer.status_code == status
    assert answer.headers["X-Request-Id"] == "mine"


def test_metrics_are_of_all_workers_and_count_each_stage_and_batch(seen: Seen) -> None:
    before = value(seen.server, "manifold_rows_total", operation="embed")
    workers, rows = set(), 0
    for _ in range(40):
        # A connection of its own each, so that both workers have some.
        answer = httpx.post(f"{seen.server.url}/v1/embed", json=ROW)
        rows += answer.status_code == 200
        workers.add(answer.headers["X-Request-Id"].partition("-")[0])
        if len(workers) == 2:
            break
    assert len(workers) == 2
    # What the other worker counted comes a tenth of a second later.
    until(lambda: value(seen.server, "manifold_rows_total", operation="embed") - before == rows)
    for stage, work in (("read", ""), ("queue", "encode"), ("run", "encode"), ("write", "")):
        assert value(seen.server, "manifold_stage_seconds_count", stage=stage, work=work) >= rows
    assert value(seen.server, "manifold_batch_rows_sum", work="encode") >= rows
    assert value(seen.server, "manifold_queue_rows") == 0
    assert value(seen.server, "manifold_live_release", space="space-of-first", release="first") == 2


def test_a_worker_that_was_killed_is_counted_no_longer(seen: Seen) -> None:
    children = psutil.Process(seen.server.process.pid).children(recursive=True)
    workers = [child for child in children if "_bentoml_impl.worker.service" in " ".join(child.cmdline())]
    assert len(workers) == 2
    os.kill(workers[0].pid, signal.SIGKILL)
    # Before the one that comes in its place is ready.
    until(lambda: value(seen.server, "manifold_live_release", release="first") == 1)


def test_the_log_is_one_object_a_line_and_names_requests_but_no_rows_or_queries(seen: Seen) -> None:
    headers = {"X-Request-Id": "logged-1", "Authorization": "Bearer secret-key"}
    httpx.post(f"{seen.server.url}/v1/embed", json=ROW | {"space": "space-of-first"}, headers=headers)
    httpx.post(f"{seen.server.url}/v1/embed?secret=query", json=ROW)
    until(lambda: bool(log_lines(seen.server, request="logged-1")))
    (line,) = log_lines(seen.server, request="logged-1")
    assert (line["method"], line["route"], line["status"]) == ("POST", "/v1/embed", 200)
    assert 0 < line["seconds"] < 10
    assert line["logger"] == "bentoml.manifold.access"
    assert {"level", "message", "time"} <= line.keys()
    assert log_lines(seen.server, logger="bentoml.manifold", message="release first is live on cpu (before: none)")
    text = seen.server.log_text()
    assert all(hidden not in text for hidden in ("0.734375", "secret-key", "secret=query"))


def test_spans_of_a_request_and_its_stages_continue_the_clients_trace(seen: Seen) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-Id": "traced-1"}
    assert httpx.post(f"{seen.server.url}/v1/embed", json=ROW, headers=headers).status_code == 200
    spans = seen.collector.spans
    until(lambda: sum(span["traceId"] == TRACE for span in spans) == 5)
    of_trace = {span["name"]: span for span in spans if span["traceId"] == TRACE}
    request = of_trace.pop("POST /v1/embed")
    assert request["parentSpanId"] == PARENT
    attributes = {each["key"]: each["value"] for each in request["attributes"]}
    assert attributes["http.response.status_code"] == {"intValue": "200"}
    assert attributes["manifold.request_id"] == {"stringValue": "traced-1"}
    assert of_trace.keys() == {"read", "queue", "run", "write"}
    for span in of_trace.values():
        assert span["parentSpanId"] == request["spanId"]
        times = [request["startTimeUnixNano"], span["startTimeUnixNano"], span["endTimeUnixNano"]]
        assert sorted(map(int, times)) == list(map(int, times))
        assert int(span["endTimeUnixNano"]) <= int(request["endTimeUnixNano"])
    assert seen.collector.services == {"manifold"}


def test_a_request_that_its_client_does_not_trace_makes_no_spans(seen: Seen) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-{PARENT}-00"}
    assert httpx.post(f"{seen.server.url}/v1/embed", json=ROW, headers=headers).status_code == 200
    time.sleep(0.5)
    assert all(span["traceId"] != trace for span in seen.collector.spans)


def test_without_being_asked_nothing_is_traced_and_no_answer_logged(server: Server, http: httpx.Client) -> None:
    before = server.log_text()
    http.post("/v1/embed", json=ROW, headers={"X-Request-Id": "quiet-1"})
    assert "quiet-1" not in server.log_text()
    assert server.log_text() == before
