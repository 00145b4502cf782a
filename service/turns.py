"""Whose turn it is: rows that wait, and in which order they run.

Kinds of work take turns, so do the works of one kind, and so do the requests of one work, a piece of each: a request
of thousands of rows is cut, and small ones join between its pieces. Each turn is one batch.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from service.sessions import Floats

# Rows of one request before it is another's turn.
PIECE_ROWS: Final = 64


class Work(Hashable, Protocol):
    """What is done to rows. Two requests share a run if their works are equal."""

    @property
    def batch_rows(self) -> int:
        """Rows of one run, at most; never fewer than `PIECE_ROWS` are taken for it."""

    def __call__(self, rows: Floats, /) -> Floats:
        """Rows (batch, ...) -> answers (batch, ...), row by row."""


@dataclass(eq=False, slots=True)
class Job:
    """One request's rows.

    Attributes:
        taken: how many of its rows were taken into a batch.
        answers: of those that have run, where they did not all run at once.
        arrived, started, finished: seconds of `time.perf_counter`.
    """

    work: Work
    rows: Floats
    answer: asyncio.Future[Floats]
    arrived: float
    taken: int = 0
    answers: Floats | None = field(default=None, repr=False)
    started: float = 0.0
    finished: float = 0.0

    @property
    def waiting_rows(self) -> int:
        """Rows not yet taken."""
        return len(self.rows) - self.taken


class Piece(NamedTuple):
    """The rows of a job from `start` to before `stop`, which run in one batch."""

    job: Job
    start: int
    stop: int

    @property
    def rows(self) -> Floats:
        return self.job.rows[self.start : self.stop]


class Turns:
    """The jobs that wait.

    Attributes:
        rows: how many rows wait.
    """

    def __init__(self) -> None:
        # The first of each dictionary is the next to have its turn. Ordered ones give up their first at once.
        self._kinds: dict[type[Work], dict[Work, OrderedDict[Job, None]]] = {}
        self.rows = 0

    def add(self, job: Job) -> None:
        """Let a job wait for its turn."""
        works = self._kinds.setdefault(type(job.work), {})
        works.setdefault(job.work, OrderedDict())[job] = None
        self.rows += len(job.rows)

    def drop(self, job: Job) -> None:
        """Forget what a job still waits for, if anything."""
        kind = type(job.work)
        jobs = self._kinds.get(kind, {}).get(job.work)
        if jobs is None or job not in jobs:
            return
        del jobs[job]
        self.rows -= job.waiting_rows
        if not jobs:
            del self._kinds[kind][job.work]
        if not self._kinds[kind]:
            del self._kinds[kind]

    def clear(self) -> list[Job]:
        """Forget all jobs; they are returned."""
        jobs = [job for works in self._kinds.values() for waiting in works.values() for job in waiting]
        self._kinds.clear()
        self.rows = 0
        return jobs

    def take(self) -> list[Piece]:
        """The next batch: pieces of jobs of one work; none where nothing waits."""
        if not self._kinds:
            return []
        kind = next(iter(self._kinds))
        works = self._kinds.pop(kind)
        work = next(iter(works))
        jobs = works.pop(work)
        pieces = _batch(jobs, max(work.batch_rows, PIECE_ROWS))
        self.rows -= sum(piece.stop - piece.start for piece in pieces)
        # Behind all others.
        if jobs:
            works[work] = jobs
        if works:
            self._kinds[kind] = works
        return pieces


def _batch(jobs: OrderedDict[Job, None], room: int) -> list[Piece]:
    starts: dict[Job, int] = {}
    while jobs:
        job = next(iter(jobs))
        count = min(PIECE_ROWS, job.waiting_rows)
        if count > room:
            break
        starts.setdefault(job, job.taken)
        job.taken += count
        room -= count
        if job.waiting_rows:
            jobs.move_to_end(job)
        else:
            del jobs[job]
    return [Piece(job, start, job.taken) for job, start in starts.items()]
