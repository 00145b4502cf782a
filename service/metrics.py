"""What can be counted: Prometheus metrics of requests, rows, stages and the live release.

BentoML's own request metrics are off: they are labelled with the path as the client wrote it, so that anybody
can grow them without bound by asking for made-up paths.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The service's metrics, in a registry of their own."""

    media_type: Final = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        self.requests = Counter("manifold_requests", "Answered requests.", ["route", "status"], registry=registry)
        self.seconds = Histogram(
            "manifold_request_seconds", "Request to answer.", ["route"], buckets=_SECONDS, registry=registry
        )
        self.stage_seconds = Histogram(
            "manifold_stage_seconds",
            "Where the time goes: read, queue, run, write.",
            ["stage"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.rows = Counter("manifold_rows", "Rows answered.", ["operation"], registry=registry)
        self.load_failures = Counter(
            "manifold_release_load_failures", "Times the champion could not be loaded.", registry=registry
        )
        self.swaps = Counter("manifold_release_swaps", "Times a release became live.", registry=registry)
        self._live = Gauge(
            "manifold_live_release",
            "Workers that serve this release.",
            ["release", "space", "device"],
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._live_labels: tuple[str, str, str] | None = None

    def live(self, release: str, space: str, device: str) -> None:
        """Note that a release became live."""
        if self._live_labels is not None:
            self._live.labels(*self._live_labels).set(0)
        self._live_labels = (release, space, device)
        self._live.labels(*self._live_labels).set(1)
        self.swaps.inc()

    def observe_stage(self, stage: str, seconds: float) -> None:
        """Note how long a stage of a request took."""
        self.stage_seconds.labels(stage).observe(seconds)

    def exposition(self) -> bytes:
        """All metrics as Prometheus reads them, summed over the workers of one server."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self._registry)
        together = CollectorRegistry()
        # prometheus-client has no types for this one.
        collector: Callable[[CollectorRegistry], object] = MultiProcessCollector
        collector(together)
        return generate_latest(together)
