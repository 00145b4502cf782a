"""How long our service takes from its start to its first good answer, and what memory it takes: nothing else runs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx

from benchmarks.harness import Row, Samples
from benchmarks.serving.sides import OURS, our_server
from benchmarks.serving.subjects import as_json, pixel_rows
from service.release.home import Home

READY = "ready_s"
MEMORY = "pss_mb"
_REQUESTS = 64
_QUIET_SECONDS = 0.5


def start_rows(home: Home, folder: Path, headers: Mapping[str, str], times: int) -> Iterator[Row]:
    """Both rows, of so many starts one after the other; memory is of all processes, after 64 single rows."""
    ready: list[float] = []
    whole: list[float] = []
    worker: list[float] = []
    subject = as_json("/v1/embed", pixel_rows(1, seed=5), headers)
    for number in range(times):
        with our_server(home, folder) as server:
            ready.append(server.ready_seconds)
            with httpx.Client(base_url=server.url) as client:
                for _ in range(_REQUESTS):
                    client.post(subject.path, content=subject.body, headers=dict(subject.headers)).raise_for_status()
            time.sleep(_QUIET_SECONDS)
            whole.append(server.proportional_mb())
            worker.extend(server.workers().values())
        print(f"start {number + 1} of {times}: {ready[-1]:.2f} s, {whole[-1]:.0f} MiB", flush=True)
    seconds, memory = Samples(tuple(ready)), Samples(tuple(whole))
    yield Row(READY, seconds.median, "s", 2.0, "lower", sides={OURS: seconds.as_side()})
    sides = {OURS: memory.as_side(), "its worker alone": Samples(tuple(worker)).as_side()}
    yield Row(MEMORY, memory.median, "MiB", 170, "lower", sides=sides)
