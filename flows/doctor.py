"""`manifold doctor`: what this machine has, what is missing, and the command that mends it."""

from __future__ import annotations

import typer
from rich.table import Table

from flows.steps.diagnosis import Finding, diagnose
from flows.terminal import console
from service.release.home import Home

_MARKS = {"ok": "[green]ok[/green]", "note": "[yellow]note[/yellow]", "missing": "[red]missing[/red]"}


def doctor() -> None:
    """Say what is installed, which device, which data, what is missing, and the command that mends it.

    The status is 1 when something is missing that the main job needs.
    """
    findings = diagnose(Home.from_environment())
    table = Table(box=None, show_header=False)
    for finding in findings:
        table.add_row(_MARKS[finding.state], finding.what, _with_mend(finding))
    console.print(table)
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(1)


def _with_mend(finding: Finding) -> str:
    return f"{finding.found}\n-> {finding.mend}" if finding.mend else finding.found
