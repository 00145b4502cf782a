"""The report's pictures on the flow run's page, as a Prefect task. The work is in `flows.steps.report`."""

from __future__ import annotations

from pathlib import Path

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from flows.progress import step_progress
from flows.steps.report.making import compared_entries
from flows.steps.report.markdown import as_markdown
from flows.steps.report.picture import Entry
from flows.steps.report.stored import stored_pictures
from service.release.home import Home
from service.release.store import ReleaseStore


@task(cache_policy=NO_CACHE)
def attach_pictures(version: str, home: Path, compare: bool = False) -> None:
    """Show what a release has learned as an artifact of the run: the pictures that are in the release.

    Args:
        version: of the release, just published.
        home: `MANIFOLD_HOME`.
        compare: also train what `manifold report` compares with, and show these pictures.
    """
    store = ReleaseStore(Home(home))
    with step_progress("pictures") as report:
        entries: list[Entry] = [*stored_pictures(store.folder(version) / "figures")]
        if compare:
            entries += compared_entries(
                Home(home),
                store.folder(version),
                store.manifest(version),
                compare=True,
                # Never the last step of the bar: that is told below.
                on_progress=lambda step, done, total, note: report(done, total + 1, f"{step}, {note}"),
            )
        # Data URIs: Prefect's image artifact takes the address of a file that somebody serves.
        text = as_markdown(f"What release {version} has learned", entries)
        create_markdown_artifact(text, key="pictures", description=version)
        report(1, 1, f"{len(entries)} on the run's page")
