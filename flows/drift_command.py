"""`manifold drift`: whether the rows that the service sees still come from where the champion's came from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from flows.steps.drift.finding import FALSE_ALARM_RATE, HOURS
from flows.terminal import console
from service.release.atomic import write_atomically
from service.release.home import Home

FOUND_STATUS = 3


def drift(
    hours: Annotated[float, typer.Option(help="How far back.", min=0.01, max=24 * 30)] = HOURS,
    false_alarm_rate: Annotated[
        float, typer.Option(help="How often a check may find drift where there is none.", min=1e-6, max=0.5)
    ] = FALSE_ALARM_RATE,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the report to this .md, and its picture beside it.")
    ] = None,
) -> None:
    """Compare what the service saw of late with the champion's own rows. The status is 3 where they have drifted.

    Examples:

        manifold drift

        manifold drift --hours 168 -o drift.md
    """
    # Matplotlib and scikit-learn take their time, and --help needs neither.
    from flows.steps.drift.checking import check_drift
    from flows.steps.drift.telling import HEADINGS, cells, summary

    checked = check_drift(Home.from_environment(), hours=hours, false_alarm_rate=false_alarm_rate)
    if checked.drift.tests:
        table = Table(box=None)
        for heading in HEADINGS:
            table.add_column(heading)
        for line in cells(checked.drift):
            table.add_row(*map(escape, line))
        console.print(table)
    for text in checked.lines:
        console.print(text, markup=False)
    console.print(summary(checked.drift), markup=False)
    if output is not None:
        write_atomically(output, checked.markdown.encode())
        if checked.picture is not None:
            write_atomically(output.with_suffix(".png"), checked.picture)
    if checked.drift.found:
        raise typer.Exit(FOUND_STATUS)
