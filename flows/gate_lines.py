"""How a person reads the gate's verdict: on the terminal, and on Prefect's page."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from flows.terminal import console
from service.release.channels import Channels
from service.release.home import Home
from service.release.store import ReleaseStore
from service.release.verdict import Comparison, Verdict

_HEADINGS = ("measure", "candidate", "champion", "unit", "gain", "95 % interval", "may lose", "is", "n")


def tell_of_release(home: Home, version: str) -> None:
    """Print where a new release is, how it compared, and whether it is the champion."""
    verdict = ReleaseStore(home).manifest(version).gate
    if verdict is not None and verdict.comparisons:
        console.print(verdict_table(verdict))
    if verdict is not None and verdict.champion is not None:
        console.print(f"gate: {'passed' if verdict.passed else 'not passed'}: {escape('; '.join(verdict.reasons))}")
    state = Channels(home).read()
    console.print(
        f"release {version} is in {home.store}" + (" and is the champion" if state.champion == version else "")
    )


def verdict_table(verdict: Verdict) -> Table:
    """Every comparison, one a line."""
    table = Table(box=None, title=f"against {verdict.champion}", title_justify="left")
    for heading in _HEADINGS:
        table.add_column(heading)
    for comparison in verdict.comparisons:
        table.add_row(*(escape(cell) for cell in _cells(comparison)))
    return table


def verdict_markdown(version: str, verdict: Verdict) -> str:
    """The verdict as Prefect's page shows it."""
    lines = [
        f"# Gate: {version} {'passed' if verdict.passed else 'did not pass'}",
        "",
        *(f"- {reason}" for reason in verdict.reasons),
    ]
    if verdict.comparisons:
        lines += ["", f"Against {verdict.champion}, {verdict.split}.", ""]
        lines += [f"| {' | '.join(_HEADINGS)} | how |", "|" + "---|" * (len(_HEADINGS) + 1)]
        lines += [f"| {' | '.join(_cells(c))} | {c.method} |" for c in verdict.comparisons]
    return "\n".join(lines)


def _cells(comparison: Comparison) -> tuple[str, ...]:
    low, high = (f"{100 * end:+.1f}" for end in comparison.interval)
    return (
        comparison.name,
        f"{comparison.candidate:.4g}",
        f"{comparison.champion:.4g}",
        comparison.unit,
        f"{100 * comparison.gain:+.1f} %",
        f"[{low}, {high}]",
        f"{100 * comparison.allowed:g} %",
        comparison.outcome,
        str(comparison.rows),
    )
