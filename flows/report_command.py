"""`manifold report`: what a release has learned, in pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.listening import tell
from flows.local_server import set_environment
from flows.release_commands import resolve_version
from flows.terminal import console, progress_bars
from service.release.home import Home
from service.release.store import ReleaseStore

Version = Annotated[str, typer.Argument(help="A release's version, or champion, previous, candidate.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="The folder for report.html and its pictures.")]
Quick = Annotated[bool, typer.Option("--quick", help="Leave out what needs a short training to compare with.")]


def report(version: Version = "champion", output: Output = Path("report"), quick: Quick = False) -> None:
    """Draw a release: filters, map, neighbours, paths, samples; and, by short trainings, what corruption changes.

    Everything is in one page, `report.html`, with the pictures beside it as PNG files. What was trained is kept: a
    second report is there at once, and an interrupted one goes on.

    Examples:

        manifold report

        manifold report 20250101-120000-0123abcd -o pictures --quick
    """
    home = Home.from_environment()
    chosen = resolve_version(home, version)
    ReleaseStore(home).folder(chosen)
    # Read by torch when it is imported, just below.
    set_environment(home.root)
    from flows.steps.report.making import PAGE, make_report
    from flows.steps.report.picture import Skipped

    with progress_bars():
        entries = make_report(home, chosen, output.absolute(), compare=not quick, on_progress=tell)
    for entry in entries:
        if isinstance(entry, Skipped):
            console.print(f"{entry.heading}: {entry.reason}")
    console.print(f"the report of release {chosen} is {output.absolute() / PAGE}")
