"""Hot swaps between two releases while requests come: how many fail, and how much memory the worker gains."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from benchmarks.harness import Row
from benchmarks.serving.load import Load, load
from benchmarks.serving.servers import Server
from benchmarks.serving.sides import OURS, our_server
from benchmarks.serving.subjects import Subject, as_npy, pixel_rows
from service.release.channels import Channels
from service.release.home import Home

FAILED = "swap_failed"
GROWTH = "swap_growth"
# Those before the first look at memory: what is loaded once and stays is no growth.
_FIRST = 10
_CONNECTIONS = 16
_LOAD_SECONDS = 2
_SWAP_SECONDS = 30.0
_QUIET_SECONDS = 1.0


class SwapError(Exception):
    """A promoted release did not become live."""


def swap_rows(
    home: Home, folder: Path, headers: Mapping[str, str], releases: tuple[str, str], swaps: int
) -> tuple[Row, Row]:
    """Both rows, of so many swaps; the first release is the champion again at the end of an even number.

    Raises:
        SwapError: a swap did not happen.
    """
    channels = Channels(home)
    subject = as_npy("/v1/embed", pixel_rows(1, seed=5), headers)
    with our_server(home, folder, settings={"MANIFOLD_POLL_SECONDS": "0.05"}) as server:
        before = _swap(server, channels, subject, folder, releases, _FIRST)
        settled = _worker_mb(server)
        after = _swap(server, channels, subject, folder, releases, swaps - _FIRST)
        grown = _worker_mb(server)
    loads = [*before, *after]
    failed = sum(one.failed for one in loads)
    answered = sum(one.rate for one in loads) * _LOAD_SECONDS
    sides = {OURS: {"swaps": swaps, "answered": round(answered), "failed": failed}}
    first = Row(FAILED, failed, "requests", 0, "lower", sides=sides)
    memory = {OURS: {f"MiB after {_FIRST}": settled, f"MiB after {swaps}": grown}}
    return first, Row(GROWTH, grown / settled - 1, "of its memory", 0.05, "lower", sides=memory)


def _swap(
    server: Server, channels: Channels, subject: Subject, folder: Path, releases: tuple[str, str], swaps: int
) -> list[Load]:
    """Swap again and again under load; what the load met meanwhile."""
    body, ended, loads = subject.stored(folder, "swaps"), threading.Event(), list[Load]()

    def ask() -> None:
        while not ended.is_set():
            found = load(
                server.url + subject.path, body, subject.headers, seconds=_LOAD_SECONDS, connections=_CONNECTIONS
            )
            loads.append(found)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for number in range(swaps):
            to = releases[1] if channels.read().champion == releases[0] else releases[0]
            channels.promote(to, who="benchmark", why="swapped under load", verdict="")
            _wait_for(server, subject, to)
            if (number + 1) % 10 == 0:
                print(f"{number + 1} swaps of {swaps}", flush=True)
    finally:
        ended.set()
        asking.join()
    return loads


def _wait_for(server: Server, subject: Subject, release: str) -> None:
    deadline = time.monotonic() + _SWAP_SECONDS
    headers = {name: value for name, value in subject.headers.items() if name == "Authorization"}
    while time.monotonic() < deadline:
        answer = httpx.get(f"{server.url}/v1/models", headers=headers, timeout=_SWAP_SECONDS)
        answer.raise_for_status()
        if answer.json()["live"] == release:
            return
        time.sleep(0.02)
    raise SwapError(f"{release} is not live after {_SWAP_SECONDS:g} s")


def _worker_mb(server: Server) -> float:
    """Proportional memory of the one worker, once it is quiet."""
    time.sleep(_QUIET_SECONDS)
    (memory,) = server.workers().values()
    return memory
