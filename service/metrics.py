"""What can be counted: Prometheus metrics of requests, rows, stages, batches, the queue and the live release.

BentoML's own request metrics are off: they are labelled with the path as the client wrote it, so that anybody
can grow them without bound by asking for made-up paths. Here every label is bounded: routes, works and stages are the
code's own, and releases and spaces are those that somebody has promoted.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

from service.tallies import CounterTally, HistogramTally, Labelled, Writing

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ROWS: Final = (1, 2, 4, 8, 16, 32, 64, 128)

# A stage's name, and when it began and ended, by `time.perf_counter`; called in the request's own context.
StageListener = Callable[[str, float, float], None]


class Metrics:
    """The service's metrics, in a registry of their own.

    Attributes:
        stage_listener: told of each stage of a request beside its histogram, where requests are traced.
    """

    media_type: Final = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        self.stage_listener: StageListener | None = None
        self._writing = Writing()

        def counter(name: str, what: str, labels: list[str]) -> Labelled[CounterTally]:
            return Labelled(Counter(name, what, labels, registry=registry), CounterTally, self._writing)

        def histogram(name: str, what: str, labels: list[str], bounds: tuple[float, ...]) -> Labelled[HistogramTally]:
            metric = Histogram(name, what, labels, buckets=bounds, registry=registry)
            return Labelled(metric, HistogramTally, self._writing, bounds)

        self.requests = counter("manifold_requests", "Answered requests.", ["route", "status"])
        self.seconds = histogram("manifold_request_seconds", "Request to answer.", ["route"], _SECONDS)
        self._stage_seconds = histogram(
            "manifold_stage_seconds",
            "Where the time goes: read and write of a request, queue of a request by work, run of a batch by work.",
            ["stage", "work"],
            _SECONDS,
        )
        self._batch_rows = histogram("manifold_batch_rows", "Rows of a batch.", ["work"], _ROWS)
        self.rows = counter("manifold_rows", "Rows answered.", ["operation"])
        self._queued = Gauge(
            "manifold_queue_rows", "Rows that wait now.", multiprocess_mode="livesum", registry=registry
        )
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
        self._queued_rows = 0

    def live(self, release: str, space: str, device: str) -> None:
        """Note that a release became live."""
        if self._live_labels is not None:
            self._live.labels(*self._live_labels).set(0)
        self._live_labels = (release, space, device)
        self._live.labels(*self._live_labels).set(1)
        self.swaps.inc()

    def observe_stage(self, stage: str, seconds: float) -> None:
        """Note how long a stage of a request, `read` or `write`, took until now."""
        self._stage_seconds.labels(stage, "").observe(seconds)
        if self.stage_listener is not None:
            now = time.perf_counter()
            self.stage_listener(stage, now - seconds, now)

    def queued(self, rows: int) -> None:
        """Note that so many rows wait now."""
        if rows != self._queued_rows:
            self._queued_rows = rows
            self._queued.set(rows)

    def ran(self, work: object, rows: int, seconds: float) -> None:
        """Note a batch that has run."""
        name = _name(work)
        self._stage_seconds.labels("run", name).observe(seconds)
        self._batch_rows.labels(name).observe(rows)

    def answered(self, work: object, arrived: float, started: float, finished: float) -> None:
        """Note that a request's rows have run: how long the first waited, and when the last was back."""
        self._stage_seconds.labels("queue", _name(work)).observe(started - arrived)
        if self.stage_listener is not None:
            self.stage_listener("queue", arrived, started)
            self.stage_listener("run", started, finished)

    def write(self) -> None:
        """Write what was added up in memory; to be called in the event loop, before `exposition` and at the end."""
        self._writing.write()

    def exposition(self) -> bytes:
        """All metrics as Prometheus reads them, summed over the workers of one server."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self._registry)
        _forget_the_dead(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
        together = CollectorRegistry()
        # prometheus-client has no types for this one.
        collector: Callable[[CollectorRegistry], object] = MultiProcessCollector
        collector(together)
        return generate_latest(together)


def _forget_the_dead(folder: Path) -> None:
    """Take away what workers said of the moment that have ended since: one that was killed could not do so itself."""
    for path in folder.glob("gauge_live*_*.db"):
        worker = path.stem.rpartition("_")[2]
        if worker.isdigit() and _has_ended(int(worker)):
            path.unlink(missing_ok=True)


def _has_ended(process: int) -> bool:
    if sys.platform == "win32":
        # There, asking by a signal would end it.
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _name(work: object) -> str:
    """What a work is called: `encode`, `decode`, `classify`, ..., as its class is."""
    return type(work).__name__.lower()
