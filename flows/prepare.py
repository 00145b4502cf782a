"""Prepare as a Prefect task: the shell around `flows.steps.datasets.prepare_dataset`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from prefect import Task, task
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.logging import get_run_logger

from flows.steps.datasets import Dataset, PrepareSettings, prepare_dataset
from flows.steps.datasets.source import Progress
from flows.steps.errors import DownloadError


def _worth_trying_again(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Only a download that broke off: bad data stays bad, and a missing network is told at once."""
    return isinstance(state.result(raise_on_failure=False), DownloadError)


@task(name="prepare", retries=2, retry_delay_seconds=[2, 10], retry_condition_fn=_worth_trying_again)
def prepare(
    source: str,
    home: Path,
    data_folder: Path,
    settings: PrepareSettings,
    on_progress: Progress | None = None,
) -> Dataset:
    """The dataset of `source`, made or found unchanged; arguments and errors as for `prepare_dataset`."""
    dataset = prepare_dataset(source, home=home, data_folder=data_folder, settings=settings, on_progress=on_progress)
    logger = get_run_logger() if TaskRunContext.get() else logging.getLogger(__name__)
    for note in dataset.notes:
        logger.info(note)
    logger.info("dataset %s: %s rows from %s", dataset.folder.name, dataset.record.rows, dataset.record.source)
    return dataset
