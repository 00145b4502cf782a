"""What is looked at before anything is trained, as Prefect tasks: has anything changed, and has the data moved?"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed

from flows.prepare import worth_trying_again
from flows.progress import step_progress
from flows.steps.checks import DataChecks, check_data, demand_unmoved
from flows.steps.datasets import Dataset, PrepareSettings, look_at_source
from flows.steps.unchanged import unchanged_release
from models.recipe import Recipe
from service.release.home import Home


@task(
    retries=2,
    retry_delay_seconds=[2, 10],
    retry_condition_fn=worth_trying_again,
    cache_policy=NO_CACHE,
)
def find_unchanged(
    source: str, recipe: Recipe, home: Path, data_folder: Path, settings: PrepareSettings, promote: bool
) -> str | None:
    """The release that would be made again, as neither data nor recipe have changed since; None where one has.

    Arguments and errors as for `look_at_source` and `unchanged_release`.
    """
    with step_progress("look") as report:
        name, fingerprint = look_at_source(
            source,
            home=home,
            data_folder=data_folder,
            settings=settings,
            # Never the last step of the bar: that is told below, with what came of it.
            on_progress=lambda phase, done, total: report(done, max(total, done) + 1, phase),
        )
        version = unchanged_release(Home(home), name, fingerprint, recipe, promote=promote)
        said = "something has changed" if version is None else _nothing_since(version)
        get_run_logger().info(said)
        report(1, 1, said)
    if version is not None:
        text = f"# Nothing was done\n\n{_nothing_since(version)}: source `{name}`, data `{fingerprint[:16]}`."
        create_markdown_artifact(text, key="unchanged", description=version)
    return version


def nothing_done(version: str) -> str:
    """What a flow returns to end as a completed run that says why it did nothing; its result is the version."""
    # Prefect takes a state for the run's own, and gives back the data in it.
    return cast(str, Completed(message=_nothing_since(version), data=version))


@task(cache_policy=NO_CACHE)
def check_new_rows(dataset: Dataset, home: Path, checks: DataChecks) -> None:
    """Compare new data with what the champion recorded; the report is kept on the run's page.

    Raises:
        MovedDataError: a check does not hold, and moved data is not accepted.
    """
    with step_progress("check") as progress:
        found = check_data(dataset, Home(home), checks)
        if found is None:
            progress(1, 1, "no champion that learned from other data")
            return
        create_markdown_artifact(found.as_markdown(), key="data-checks", description=found.champion)
        text = found.as_text()
        (get_run_logger().warning if found.moved else get_run_logger().info)("%s", text)
        demand_unmoved(found, checks)
        progress(1, 1, f"{text}\ntrained all the same: moved data is accepted" if found.moved else text)


def _nothing_since(version: str) -> str:
    return f"nothing has changed since release {version}"
