"""Rows of many requests, one run: a micro-batcher without a timer.

While ONNX Runtime runs, arriving rows wait; when it returns, all rows at the head of the queue that want the
same work become the next batch. A lone row starts at once. The runs are in one thread of their own, so that
the event loop stays free.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import numpy as np

from service.errors import QueueFullError
from service.sessions import Floats

# Rows of one batch: more are no faster, and make the next batch wait.
_BATCH_ROWS = 1024


class Work(Hashable, Protocol):
    """What is done to rows. Two requests share a run if their works are equal."""

    def __call__(self, rows: Floats, /) -> Floats:
        """Rows (batch, ...) -> answers (batch, ...), row by row."""


class _Job(NamedTuple):
    work: Work
    rows: Floats
    answer: asyncio.Future[Floats]
    arrived: float


class Batcher:
    """Gathers rows into batches and runs them, one batch at a time.

    Args:
        max_queued_rows: rows that may wait beside the batch that runs.
        observe: told each stage's name and seconds ("queue" for a request, "run" for a batch).
    """

    def __init__(self, max_queued_rows: int, observe: Callable[[str, float], None]) -> None:
        self._max_queued_rows = max_queued_rows
        self._observe = observe
        self._waiting: deque[_Job] = deque()
        self._running = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="onnxruntime")
        self.queued_rows = 0

    async def run(self, work: Work, rows: Floats) -> Floats:
        """The answers to `rows`, in their order. Cancelling gives up the place in the queue.

        Raises:
            QueueFullError: too many rows wait already.
            ModelRunError: the batch failed.
        """
        # A request alone is always taken, or one above the limit could never be served.
        if self._waiting and self.queued_rows + len(rows) > self._max_queued_rows:
            raise QueueFullError(
                f"{self.queued_rows:,} rows wait already, at most {self._max_queued_rows:,} may; try again"
            )
        job = _Job(work, rows, asyncio.get_running_loop().create_future(), time.perf_counter())
        self._waiting.append(job)
        self.queued_rows += len(rows)
        if not self._running:
            self._start_next()
        return await job.answer

    def close(self) -> None:
        """End the thread after the batch that runs."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _start_next(self) -> None:
        batch = self._take_batch()
        self._running = bool(batch)
        if not batch:
            return
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._thread, _run, batch)
        running.add_done_callback(lambda done: self._finish(batch, done))

    def _take_batch(self) -> list[_Job]:
        batch: list[_Job] = []
        rows = 0
        while self._waiting:
            job = self._waiting[0]
            given_up = job.answer.done()
            fits = not batch or (job.work == batch[0].work and rows + len(job.rows) <= _BATCH_ROWS)
            if not given_up and not fits:
                break
            self._waiting.popleft()
            self.queued_rows -= len(job.rows)
            if not given_up:
                self._observe("queue", time.perf_counter() - job.arrived)
                batch.append(job)
                rows += len(job.rows)
        return batch

    def _finish(self, batch: list[_Job], done: asyncio.Future[tuple[Floats, float]]) -> None:
        if done.cancelled():
            for job in batch:
                job.answer.cancel()
            return
        error: Any = done.exception()
        if error is None:
            answers, seconds = done.result()
            self._observe("run", seconds)
        start = 0
        for job in batch:
            stop = start + len(job.rows)
            if not job.answer.done() and error is not None:
                job.answer.set_exception(error)
            elif not job.answer.done():
                job.answer.set_result(answers[start:stop])
            start = stop
        self._start_next()


def _run(batch: list[_Job]) -> tuple[Floats, float]:
    started = time.perf_counter()
    rows = batch[0].rows if len(batch) == 1 else np.concatenate([job.rows for job in batch])
    answers = batch[0].work(rows)
    return answers, time.perf_counter() - started
