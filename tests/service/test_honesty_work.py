"""Judging drawn rows is work like any other: it is right where columns lie far from 0, waits its turn, and ends."""

from __future__ import annotations

import asyncio
import tracemalloc
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from scipy.spatial.distance import cdist

from service import known_rows
from service.app import create_app
from service.batching import Batcher, Work
from service.champion import Champion
from service.known_rows import KnownRows
from service.metrics import Metrics
from service.operations import Worker
from service.release.home import Home
from service.release.integrity import verify_release
from service.runtime import Runtime
from service.sessions import Floats
from service.settings import Settings
from service.works import Nearest
from tests.service.held import Held
from tests.service.refusals import refused
from tests.service.tiny import every_method, promote, publish_tiny


class Watched(Batcher):
    """A batcher that notes what is asked for, and is kept busy from the first ask for the nearest on."""

    def __init__(self, max_queued_rows: int, busy_rows: int) -> None:
        super().__init__(max_queued_rows, Metrics())
        self.busy_rows = busy_rows
        self.held = Held()
        self.others: list[asyncio.Task[Floats]] = []
        self.nearest: list[int] = []

    async def run(self, work: Work, rows: Floats) -> Floats:
        if isinstance(work, Nearest):
            self.nearest.append(len(rows))
            if not self.others and self.busy_rows:
                one = np.zeros((1, 1), np.float32)
                self.others = [
                    asyncio.create_task(super(Watched, self).run(self.held, one)) for _ in range(self.busy_rows)
                ]
                await asyncio.sleep(0)
        return await super().run(work, rows)


def sampled(home: Home, batcher: Watched, **settings: Any) -> tuple[httpx.Response, httpx.Response]:
    """The answers to one request for 300 large rows: while the batcher is busy, and after."""

    async def story() -> tuple[httpx.Response, httpx.Response]:
        known, metrics = Settings(home=home.root, **settings), Metrics()
        worker = Worker(known, Champion(known, metrics), batcher, metrics)
        worker.champion.look()
        app = create_app()
        app.state.worker = worker
        body = {"count": 300}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service") as client:
            during = await client.post("/v1/sample", json=body)
            batcher.held.go.set()
            await asyncio.gather(*batcher.others)
            # What was given up is dropped, not run.
            after = await client.post("/v1/embed", json={"x": np.zeros((1, 64, 96)).tolist()})
        assert batcher.queued_rows == 0
        batcher.close()
        return during, after

    return asyncio.run(story())


@pytest.fixture
def large(home: Home) -> Home:
    """A home whose champion has rows of 6,144 numbers: 170 are judged at a time."""
    publish_tiny(home, "one", shape=(64, 96), sampling=every_method())
    promote(home, "one")
    return home


def test_large_rows_are_judged_a_few_at_a_time_among_others_rows(large: Home) -> None:
    batcher = Watched(16_384, busy_rows=0)
    answer, _ = sampled(large, batcher)
    assert batcher.nearest == [170, 130]
    assert len(answer.json()["honesty"]["nearest_distance"]) == 300


def test_judging_is_refused_while_the_queue_is_full(large: Home) -> None:
    during, after = sampled(large, Watched(300, busy_rows=301))
    refused(during, 429, "queue_full", None, "300 rows wait already")
    assert after.status_code == 200


def test_a_deadline_ends_judging(large: Home) -> None:
    batcher = Watched(16_384, busy_rows=1)
    during, after = sampled(large, batcher, deadline_seconds=3)
    refused(during, 504, "deadline", None, "no answer within 3 s")
    assert batcher.nearest == [170]
    assert after.status_code == 200


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_the_nearest_is_right_in_columns_far_from_0(dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As years are: each mean is thousands of deviations from 0."""
    # 70 of the 500 rows at a time: the last are fewer.
    monkeypatch.setattr(known_rows, "_CHUNK_NUMBERS", 70 * 6)
    generator = np.random.default_rng(0)
    scale = np.linspace(0.5, 5, 6)
    known = ((3000 + generator.standard_normal((500, 6))) * scale).astype(dtype)
    drawn = (known[::2] + 0.3 * scale * generator.standard_normal((250, 6))).astype(np.float32)
    found = KnownRows(known, scale).nearest(drawn)
    assert np.allclose(found, cdist(drawn / scale, known / scale).min(1), atol=1e-5)
    copies = known[::2].astype(np.float32)
    # As near as float32 holds a copy.
    assert np.allclose(KnownRows(known, scale).nearest(copies), 0, atol=1e-3)


def test_reference_rows_stay_in_their_file(large: Home) -> None:
    rows = Runtime.load(large.store / "one", verify_release(large.store / "one"), device="cpu").reference
    assert isinstance(rows, np.memmap)
    assert rows.dtype == np.uint8


def test_no_copy_of_the_reference_rows_is_ever_in_memory(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (2000, 64, 64, 3), np.uint8)
    np.save(tmp_path / "rows.npy", rows)
    stored = np.load(tmp_path / "rows.npy", mmap_mode="r")
    # The rows below are from the first, a middle and the last chunk.
    drawn = rows[[0, 999, 1999]].astype(np.float32) + np.float32(2)
    tracemalloc.start()
    found = KnownRows(stored, np.array([255.0])).nearest(drawn)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.allclose(found, 2 * np.sqrt(64 * 64 * 3) / 255, rtol=1e-5)
    # In float32 they would take four times as much.
    assert peak < stored.nbytes


def test_a_row_farther_than_float32_can_say_is_as_far_as_it_can() -> None:
    known = np.random.default_rng(0).standard_normal((20, 4))
    far = np.full((1, 4), 3e38, np.float32)
    assert KnownRows(known, np.array([1e-3])).nearest(far) == [np.finfo(np.float32).max]
