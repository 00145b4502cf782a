"""The micro-batcher, by itself: what shares a run, what waits, whose turn it is, and what is refused."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from service.batching import Batcher, Work
from service.errors import NotReadyError, QueueFullError
from service.sessions import ModelRunError
from service.turns import PIECE_ROWS

# Of one run of the work below.
BATCH_ROWS = 128


@dataclass(eq=False)
class Doubling:
    """Work that doubles, notes its batches, waits for `go` where it is told to, and fails for rows of `bad`."""

    go: threading.Event = field(default_factory=threading.Event)
    started: threading.Event = field(default_factory=threading.Event)
    batches: list[int] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)
    batch_rows: int = BATCH_ROWS
    bad: float | None = None
    seconds: float = 0.0

    def __call__(self, rows: Any, /) -> Any:
        self.started.set()
        assert self.go.wait(10)
        time.sleep(self.seconds * len(rows))
        self.batches.append(len(rows))
        self.threads.add(threading.get_ident())
        if self.bad in rows:
            raise ModelRunError("ONNX Runtime failed: bad rows")
        return rows * 2


@dataclass
class Noted:
    """An observer that remembers."""

    queued_rows: list[int] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    runs: list[float] = field(default_factory=list)

    def queued(self, rows: int) -> None:
        self.queued_rows.append(rows)

    def ran(self, _work: Work, rows: int, seconds: float) -> None:
        assert seconds >= 0
        self.batches.append(rows)

    def answered(self, _work: Work, arrived: float, started: float, finished: float) -> None:
        self.waits.append(started - arrived)
        self.runs.append(finished - started)


def tell(story: Coroutine[Any, Any, None]) -> None:
    async def in_time() -> None:
        async with asyncio.timeout(10):
            await story

    asyncio.run(in_time())


def ones(count: int) -> Any:
    return np.ones((count, 2), np.float32)


async def until_it_runs(work: Doubling) -> None:
    while not work.started.is_set():
        await asyncio.sleep(0.001)


async def held(batcher: Batcher, work: Doubling) -> asyncio.Task[Any]:
    """A row of this work that runs until it is let go."""
    task = asyncio.create_task(batcher.run(work, ones(1)))
    await until_it_runs(work)
    return task


async def waiting(batcher: Batcher, *asks: tuple[Doubling, Any]) -> list[asyncio.Task[Any]]:
    tasks = [asyncio.create_task(batcher.run(work, rows)) for work, rows in asks]
    await asyncio.sleep(0)
    return tasks


def test_a_lone_row_is_not_kept_waiting() -> None:
    async def story() -> None:
        noted = Noted()
        batcher = Batcher(100, noted)
        work = Doubling()
        work.go.set()
        for _ in range(20):
            assert (await batcher.run(work, ones(1)) == 2).all()
        assert work.batches == noted.batches == [1] * 20
        assert len(noted.waits) == 20
        assert max(noted.waits) < 0.5
        assert work.threads.isdisjoint({threading.get_ident()})
        batcher.close()

    tell(story())


def test_rows_that_arrive_while_a_batch_runs_form_the_next_and_each_gets_its_own_back() -> None:
    async def story() -> None:
        noted = Noted()
        batcher = Batcher(100, noted)
        work = Doubling()
        first = await held(batcher, work)
        others = await waiting(batcher, *((work, ones(n) * n) for n in (1, 2, 3)))
        assert batcher.queued_rows == noted.queued_rows[-1] == 6
        work.go.set()
        await first
        for n, answer in zip((1, 2, 3), await asyncio.gather(*others), strict=True):
            assert np.array_equal(answer, ones(n) * n * 2)
        assert work.batches == [1, 6]
        assert batcher.queued_rows == noted.queued_rows[-1] == 0
        batcher.close()

    tell(story())


def test_works_take_turns_and_what_waits_for_one_of_them_runs_together() -> None:
    async def story() -> None:
        batcher = Batcher(100, Noted())
        order: list[str] = []

        class Other(Doubling):
            pass

        old, new, other = Doubling(), Doubling(), Other()
        for work in (new, other):
            work.go.set()
        first = await held(batcher, old)
        tasks = await waiting(batcher, *((work, ones(1)) for work in (old, new, new, other, old)))
        for name, task in zip(("old", "new", "new", "other", "old"), tasks, strict=True):
            task.set_name(name)
            task.add_done_callback(lambda done: order.append(done.get_name()))
        old.go.set()
        await asyncio.gather(first, *tasks)
        assert (old.batches, new.batches, other.batches) == ([1, 2], [2], [1])
        # Another kind waits for one batch of the first kind only, however many works that has.
        assert order == ["old", "old", "other", "new", "new"]
        batcher.close()

    tell(story())


def test_small_requests_join_between_the_pieces_of_a_big_one() -> None:
    async def story() -> None:
        batcher = Batcher(10_000, Noted())
        work = Doubling()
        first = await held(batcher, work)
        big_rows = np.arange(3 * BATCH_ROWS * 2 + 2, dtype=np.float32).reshape(-1, 2)
        big, small = await waiting(batcher, (work, big_rows), (work, ones(1)))
        work.go.set()
        await first
        assert (await small == 2).all()
        # One piece of the big one's was before it, and others filled the batch.
        assert work.batches == [1, PIECE_ROWS + 1]
        assert not big.done()
        assert np.array_equal(await big, big_rows * 2)
        assert sum(work.batches) == 2 + len(big_rows)
        assert max(work.batches) <= BATCH_ROWS
        batcher.close()

    tell(story())


def test_two_big_requests_share_each_batch() -> None:
    async def story() -> None:
        batcher = Batcher(10_000, Noted())
        work = Doubling()
        first = await held(batcher, work)
        asks = [np.full((2 * BATCH_ROWS, 2), n, np.float32) for n in (1, 2)]
        one, two = await waiting(batcher, *((work, rows) for rows in asks))
        work.go.set()
        await first
        done, _ = await asyncio.wait((one, two), return_when=asyncio.FIRST_COMPLETED)
        assert work.batches[1:4] == [BATCH_ROWS] * 3
        assert done
        for rows, task in zip(asks, (one, two), strict=True):
            assert np.array_equal(await task, rows * 2)
        batcher.close()

    tell(story())


def test_more_rows_than_may_wait_are_refused_and_those_that_wait_are_answered() -> None:
    async def story() -> None:
        batcher = Batcher(4, Noted())
        work = Doubling()
        first = await held(batcher, work)
        tasks = await waiting(batcher, (work, ones(2)), (work, ones(2)))
        with pytest.raises(QueueFullError, match="4 rows wait already, at most 4 may"):
            await batcher.run(work, ones(1))
        work.go.set()
        assert [len(answer) for answer in await asyncio.gather(first, *tasks)] == [1, 2, 2]
        # One that is larger than the queue is taken where nothing waits.
        assert len(await batcher.run(work, ones(9))) == 9
        batcher.close()

    tell(story())


@pytest.mark.parametrize(("longest", "told"), [(1000.0, 1.0), (0.5, 0.5)])
def test_who_is_refused_is_told_how_long_those_before_will_take(longest: float, told: float) -> None:
    async def story() -> None:
        batcher = Batcher(100, Noted(), longest)
        slow = Doubling(seconds=0.01)
        slow.go.set()
        await batcher.run(slow, ones(20))
        work = Doubling()
        first = await held(batcher, work)
        tasks = await waiting(batcher, (work, ones(100)))
        with pytest.raises(QueueFullError) as refused:
            await batcher.run(work, ones(1))
        assert refused.value.retry_after == pytest.approx(told, rel=0.5)
        work.go.set()
        await asyncio.gather(first, *tasks)
        batcher.close()

    tell(story())


def test_a_request_that_is_given_up_leaves_its_place_at_once_and_is_not_run() -> None:
    async def story() -> None:
        noted = Noted()
        batcher = Batcher(100, noted)
        work = Doubling()
        first = await held(batcher, work)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await batcher.run(work, ones(5))
        assert batcher.queued_rows == noted.queued_rows[-1] == 0
        (last,) = await waiting(batcher, (work, ones(2)))
        work.go.set()
        await asyncio.gather(first, last)
        assert work.batches == [1, 2]
        batcher.close()

    tell(story())


def test_what_is_left_of_a_big_request_that_is_given_up_is_not_run() -> None:
    async def story() -> None:
        batcher = Batcher(10_000, Noted())
        work = Doubling()
        big = asyncio.create_task(batcher.run(work, ones(10 * BATCH_ROWS)))
        await until_it_runs(work)
        big.cancel()
        (after,) = await waiting(batcher, (work, ones(3)))
        work.go.set()
        await after
        assert work.batches == [BATCH_ROWS, 3]
        batcher.close()

    tell(story())


def test_only_those_whose_own_rows_fail_are_told_so() -> None:
    async def story() -> None:
        batcher = Batcher(1000, Noted())
        work = Doubling(bad=7.0)
        first = await held(batcher, work)
        asks = [ones(2), ones(1) * 7, ones(3) * 3]
        tasks = await waiting(batcher, *((work, rows) for rows in asks))
        work.go.set()
        await first
        good, bad, also_good = tasks
        await asyncio.wait(tasks)
        assert np.array_equal(good.result(), asks[0] * 2)
        assert isinstance(bad.exception(), ModelRunError)
        assert np.array_equal(also_good.result(), asks[2] * 2)
        assert work.batches == [1, 6, 2, 1, 3]
        batcher.close()

    tell(story())


def test_a_big_request_whose_rows_fail_is_told_at_once_and_its_rest_is_not_run() -> None:
    async def story() -> None:
        batcher = Batcher(10_000, Noted())
        work = Doubling(bad=7.0)
        work.go.set()
        with pytest.raises(ModelRunError):
            await batcher.run(work, ones(10 * BATCH_ROWS) * 7)
        assert batcher.queued_rows == 0
        assert (await batcher.run(work, ones(1)) == 2).all()
        assert work.batches == [BATCH_ROWS, 1]
        batcher.close()

    tell(story())


def test_nothing_of_finished_requests_is_kept() -> None:
    async def story() -> None:
        batcher = Batcher(10_000, Noted())
        work = Doubling(bad=7.0)
        work.go.set()
        kept = []
        for value, count in ((1, 1), (1, 3 * BATCH_ROWS), (7, 2)):
            rows = ones(count) * value
            kept.append(weakref.ref(rows))
            await asyncio.gather(batcher.run(work, rows), return_exceptions=True)
            del rows
        await asyncio.sleep(0)
        gc.collect()
        assert [ref() for ref in kept] == [None] * 3
        batcher.close()

    tell(story())


def test_what_waits_when_the_service_ends_is_refused() -> None:
    async def story() -> None:
        batcher = Batcher(100, Noted())
        work = Doubling()
        first = await held(batcher, work)
        (late,) = await waiting(batcher, (work, ones(1)))
        batcher.close()
        with pytest.raises(NotReadyError):
            await late
        work.go.set()
        assert (await first == 2).all()
        with pytest.raises(NotReadyError):
            await batcher.run(work, ones(1))

    tell(story())
