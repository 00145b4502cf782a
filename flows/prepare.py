"""Preparation as a Prefect task: the shell around `flows.steps.datasets.prepare_dataset`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import Task, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from flows.progress import step_progress
from flows.steps.datasets import Dataset, PrepareSettings, prepare_dataset
from flows.steps.errors import DownloadError


def worth_trying_again(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Only a download that broke off is: bad data stays bad, and a missing network is told at once."""
    return isinstance(state.result(raise_on_failure=False), DownloadError)


@task(
    name="prepare",
    retries=2,
    retry_delay_seconds=[2, 10],
    retry_condition_fn=worth_trying_again,
    cache_policy=NO_CACHE,
)
def prepare(source: str, home: Path, data_folder: Path, settings: PrepareSettings) -> Dataset:
    """The dataset of `source`, made or found unchanged; arguments and errors as for `prepare_dataset`."""
    with step_progress("prepare") as report:
        dataset = prepare_dataset(
            source,
            home=home,
            data_folder=data_folder,
            settings=settings,
            # Never the last step of the bar: that is told below, with what came of it.
            on_progress=lambda phase, done, total: report(done, max(total, done) + 1, phase),
        )
        rows = ", ".join(f"{count:,} {split}" for split, count in dataset.record.rows.items())
        for note in (*dataset.notes, f"{dataset.record.source}: {rows} rows"):
            get_run_logger().info(note)
            report(1, 1, note)
    return dataset
