"""The micro-batcher, by itself: what shares a run, what waits, and what is refused."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from service.batching import Batcher
from service.errors import QueueFullError


@dataclass(eq=False)
class Doubling:
    """Work that doubles, notes its batches, and waits for `go` where it is told to."""

    go: threading.Event = field(default_factory=threading.Event)
    started: threading.Event = field(default_factory=threading.Event)
    batches: list[int] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)

    def __call__(self, rows: Any, /) -> Any:
        self.started.set()
        assert self.go.wait(10)
        self.batches.append(len(rows))
        self.threads.add(threading.get_ident())
        return rows * 2


def a_batcher(max_queued_rows: int = 100) -> tuple[Batcher, list[str]]:
    stages: list[str] = []
    return Batcher(max_queued_rows, lambda stage, _: stages.append(stage)), stages


def ones(count: int) -> Any:
    return np.ones((count, 2), np.float32)


async def until_it_runs(work: Doubling) -> None:
    while not work.started.is_set():
        await asyncio.sleep(0.001)


def test_a_lone_row_is_not_kept_waiting() -> None:
    async def story() -> None:
        batcher, stages = a_batcher()
        work = Doubling()
        work.go.set()
        async with asyncio.timeout(1):
            for _ in range(20):
                assert (await batcher.run(work, ones(1)) == 2).all()
        assert work.batches == [1] * 20
        assert stages.count("run") == stages.count("queue") == 20
        assert work.threads.isdisjoint({threading.get_ident()})
        batcher.close()

    asyncio.run(story())


def test_rows_that_arrive_while_a_batch_runs_form_the_next_and_each_gets_its_own_back() -> None:
    async def story() -> None:
        batcher, _ = a_batcher()
        work = Doubling()
        first = asyncio.create_task(batcher.run(work, ones(1)))
        await until_it_runs(work)
        others = [asyncio.create_task(batcher.run(work, ones(n) * n)) for n in (1, 2, 3)]
        await asyncio.sleep(0.01)
        assert batcher.queued_rows == 6
        work.go.set()
        await first
        for n, answer in zip((1, 2, 3), await asyncio.gather(*others), strict=True):
            assert np.array_equal(answer, ones(n) * n * 2)
        assert work.batches == [1, 6]
        assert batcher.queued_rows == 0
        batcher.close()

    asyncio.run(story())


def test_a_batch_is_of_one_work_and_the_order_is_kept() -> None:
    async def story() -> None:
        batcher, _ = a_batcher()
        old, new = Doubling(), Doubling()
        new.go.set()
        tasks = [asyncio.create_task(batcher.run(old, ones(1)))]
        await until_it_runs(old)
        tasks += [asyncio.create_task(batcher.run(work, ones(1))) for work in (old, new, new, old)]
        await asyncio.sleep(0.01)
        old.go.set()
        await asyncio.gather(*tasks)
        assert old.batches == [1, 1, 1]
        assert new.batches == [2]
        batcher.close()

    asyncio.run(story())


def test_more_rows_than_may_wait_are_refused_and_those_that_wait_are_answered() -> None:
    async def story() -> None:
        batcher, _ = a_batcher(max_queued_rows=4)
        work = Doubling()
        tasks = [asyncio.create_task(batcher.run(work, ones(1)))]
        await until_it_runs(work)
        tasks += [asyncio.create_task(batcher.run(work, ones(2))) for _ in range(2)]
        await asyncio.sleep(0.01)
        with pytest.raises(QueueFullError, match="4 rows wait already, at most 4 may"):
            await batcher.run(work, ones(1))
        work.go.set()
        assert [len(answer) for answer in await asyncio.gather(*tasks)] == [1, 2, 2]
        # One that is larger than the queue is taken where nothing waits.
        assert len(await batcher.run(work, ones(9))) == 9
        batcher.close()

    asyncio.run(story())


def test_a_request_that_is_given_up_is_not_run() -> None:
    async def story() -> None:
        batcher, _ = a_batcher()
        work = Doubling()
        first = asyncio.create_task(batcher.run(work, ones(1)))
        await until_it_runs(work)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await batcher.run(work, ones(5))
        last = asyncio.create_task(batcher.run(work, ones(2)))
        await asyncio.sleep(0.01)
        work.go.set()
        await asyncio.gather(first, last)
        assert work.batches == [1, 2]
        assert batcher.queued_rows == 0
        batcher.close()

    asyncio.run(story())


def test_a_run_that_fails_fails_its_requests_and_no_later_one() -> None:
    class Broken:
        def __call__(self, _rows: Any, /) -> Any:
            raise ValueError("broken")

    async def story() -> None:
        batcher, _ = a_batcher()
        with pytest.raises(ValueError, match="broken"):
            await batcher.run(Broken(), ones(1))
        work = Doubling()
        work.go.set()
        assert (await batcher.run(work, ones(1)) == 2).all()
        batcher.close()

    asyncio.run(story())
