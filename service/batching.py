"""Rows of many requests, one run: a micro-batcher without a timer.

While ONNX Runtime runs, arriving rows wait; when it returns, rows that want the same work become the next batch, in
the order of `service.turns`. A lone row starts at once. The runs are in one thread of their own, so that the event
loop stays free.

A batch that fails is run again request by request, so that only those are told whose own rows fail.
"""

from __future__ import annotations

import asyncio
import math
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple, Protocol

import numpy as np

from service.errors import NotReadyError, QueueFullError
from service.sessions import Floats
from service.turns import Job, Piece, Turns, Work

__all__ = ["Batcher", "Observer", "Work"]

# How much the batch before weighs beside the one that has just run, where the pace is reckoned.
_MEMORY: Final = 0.9


class Observer(Protocol):
    """Is told what the batcher does. Each is called in the event loop; `answered` in the request's own context."""

    def queued(self, rows: int) -> None:
        """So many rows wait now."""

    def ran(self, work: Work, rows: int, seconds: float) -> None:
        """A batch has run."""

    def answered(self, work: Work, arrived: float, started: float, finished: float) -> None:
        """A request has its answer. `started` is when its first row left the queue, `finished` when its last was back,
        both of `time.perf_counter` as `arrived` is."""


class Batcher:
    """Gathers rows into batches and runs them, one batch at a time.

    Args:
        max_queued_rows: rows that may wait beside the batch that runs.
        observer: told what happens.
        longest_wait: seconds that no request waits longer than, its deadline.
    """

    def __init__(self, max_queued_rows: int, observer: Observer, longest_wait: float = math.inf) -> None:
        self._max_queued_rows = max_queued_rows
        self._observer = observer
        self._longest_wait = longest_wait
        self._turns = Turns()
        self._running = False
        self._closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="onnxruntime")
        # Of late: rows that ran, and the seconds they took.
        self._recent_rows = 0.0
        self._recent_seconds = 0.0

    @property
    def queued_rows(self) -> int:
        """Rows that wait beside the batch that runs."""
        return self._turns.rows

    async def run(self, work: Work, rows: Floats) -> Floats:
        """The answers to `rows`, in their order. Cancelling gives up the place in the queue.

        Raises:
            QueueFullError: too many rows wait already; it says when those will have run.
            NotReadyError: the service ends.
            ModelRunError: ONNX Runtime failed for these rows, also alone.
        """
        waiting = self._turns.rows
        # A request alone is always taken, or one above the limit could never be served.
        if waiting and waiting + len(rows) > self._max_queued_rows:
            raise QueueFullError(
                f"{waiting:,} rows wait already, at most {self._max_queued_rows:,} may; try again",
                retry_after=self.seconds_to_run_what_waits(),
            )
        if self._closed:
            raise NotReadyError("the service ends")
        job = Job(work, rows, asyncio.get_running_loop().create_future(), time.perf_counter())
        self._turns.add(job)
        if self._running:
            self._observer.queued(self._turns.rows)
        else:
            self._start_next()
        try:
            answers = await job.answer
            self._observer.answered(work, job.arrived, job.started, job.finished)
            return answers
        except asyncio.CancelledError:
            self._turns.drop(job)
            self._observer.queued(self._turns.rows)
            raise
        finally:
            # An error keeps this frame, and through it would keep the rows.
            del job

    def seconds_to_run_what_waits(self) -> float:
        """How long those rows will take that wait now, at the pace of late; never longer than the longest wait."""
        pace = self._recent_seconds / self._recent_rows if self._recent_rows else 0.0
        return min(self._turns.rows * pace, self._longest_wait)

    def close(self) -> None:
        """End the thread after the batch that runs; what waits is refused."""
        self._closed = True
        for job in self._turns.clear():
            if not job.answer.done():
                job.answer.set_exception(NotReadyError("the service ends"))
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _start_next(self) -> None:
        pieces = self._turns.take()
        self._running = bool(pieces)
        if not pieces:
            return
        now = time.perf_counter()
        for job, start, _ in pieces:
            if start == 0:
                job.started = now
        running = asyncio.get_running_loop().run_in_executor(self._thread, _run, pieces)
        running.add_done_callback(lambda done: self._finish(pieces, done))

    def _finish(self, pieces: list[Piece], done: asyncio.Future[_Ran]) -> None:
        if done.cancelled():
            for piece in pieces:
                piece.job.answer.cancel()
            return
        outcomes, seconds = done.result()
        rows = sum(piece.stop - piece.start for piece in pieces)
        self._recent_rows = self._recent_rows * _MEMORY + rows
        self._recent_seconds = self._recent_seconds * _MEMORY + seconds
        now = time.perf_counter()
        for (job, _, stop), outcome in zip(pieces, outcomes, strict=True):
            if job.answer.done():
                continue
            if isinstance(outcome, Exception):
                self._turns.drop(job)
                job.answer.set_exception(outcome)
            elif stop == len(job.rows):
                job.finished = now
                job.answer.set_result(outcome)
        # The thread goes on before the answers are written.
        self._start_next()
        self._observer.ran(pieces[0].job.work, rows, seconds)
        self._observer.queued(self._turns.rows)


class _Ran(NamedTuple):
    """Of each piece: its job's answers up to its end, or why there are none; and the seconds that all took."""

    outcomes: list[Floats | Exception]
    seconds: float


def _run(pieces: list[Piece]) -> _Ran:
    started = time.perf_counter()
    outcomes = _outcomes(pieces)
    return _Ran(outcomes, time.perf_counter() - started)


def _outcomes(pieces: list[Piece]) -> list[Floats | Exception]:
    work = pieces[0].job.work
    try:
        rows = pieces[0].rows if len(pieces) == 1 else np.concatenate([piece.rows for piece in pieces])
        answers = work(rows)
    except Exception as error:
        if len(pieces) == 1:
            return [error]
        # Whose rows was it? Each alone: memory that was too small for all may do for each, too.
        return [outcome for piece in pieces for outcome in _outcomes([piece])]
    outcomes: list[Floats | Exception] = []
    start = 0
    for piece in pieces:
        stop = start + piece.stop - piece.start
        outcomes.append(_gathered(piece, answers[start:stop]))
        start = stop
    return outcomes


def _gathered(piece: Piece, answers: Floats) -> Floats:
    """A job's answers as far as they go, this piece's among them."""
    job = piece.job
    if len(answers) == len(job.rows):
        return answers
    if job.answers is None:
        job.answers = np.empty((len(job.rows), *answers.shape[1:]), answers.dtype)
    job.answers[piece.start : piece.stop] = answers
    return job.answers
