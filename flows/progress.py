"""Progress of a step: a progress artifact on Prefect's page, and whoever listens in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from flows.listening import tell

Report = Callable[[int, int, str], None]
"""report(done, total, note); a total of 0 is not known yet"""


@contextmanager
def step_progress(step: str) -> Iterator[Report]:
    """Inside a Prefect task: yield what the work calls to say how far it is."""
    # Prefect types what works with and without await as either; in a plain function it is the id.
    artifact = cast(UUID, create_progress_artifact(0.0, description=step))

    told = -1

    def report(done: int, total: int, note: str) -> None:
        nonlocal told
        percent = 100 * done // max(total, 1)
        # Each update is a request: work that reports every row is heard every percent.
        if percent == told and done != total:
            return
        told = percent
        update_progress_artifact(artifact, float(percent), description=f"{step}: {note}")
        tell(step, done, total, note)

    yield report
