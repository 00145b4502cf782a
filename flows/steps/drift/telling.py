"""A check in words: lines for a terminal, Markdown for Prefect's page."""

from __future__ import annotations

from flows.steps.drift.changes import Changes, features_most_changed
from flows.steps.drift.finding import LEAST_ROWS, Drift
from flows.steps.report.page import data_uri
from service.runtime import Runtime

HEADINGS = ("compared", "p", "drift at", "differs by", "rows", "found")
_LABELS = 5


def summary(drift: Drift) -> str:
    """What came of a check, in one line."""
    rows = f"{drift.sketch.rows:,} codes of {drift.seen:,} rows that release {drift.release} answered"
    if drift.since is not None and drift.until is not None:
        rows += f" from {drift.since:%Y-%m-%d %H:%M} to {drift.until:%Y-%m-%d %H:%M} UTC"
    if not drift.tests:
        return f"too few rows to look for drift, {LEAST_ROWS} expected: {rows}"
    if not drift.found:
        return f"no drift: {rows}"
    found = ", ".join(f"{test.name} (p {test.p:.1g})" for test in drift.fired)
    return f"drift: {found}; {rows}"


def cells(drift: Drift) -> list[tuple[str, ...]]:
    """Every test, a line each, under `HEADINGS`."""
    return [
        (
            test.name,
            f"{test.p:.2g}",
            f"p ≤ {drift.limit:.2g}",
            f"{test.effect:.3g} {test.unit}" if test.unit == "deviations" else f"{test.effect:.1%} {test.unit}",
            f"{test.rows:,}",
            "yes" if test in drift.fired else "no",
        )
        for test in drift.tests
    ]


def changed(changes: Changes, runtime: Runtime) -> list[str]:
    """What today's data are more of, in lines: labels where there are any, and the features of vectors."""
    lines = [
        f"looks like {share.name}: {share.usual:.1%} usually, {share.today:.1%} today"
        for share in changes.labels[:_LABELS]
    ]
    if runtime.manifest.input.kind == "vector":
        lines += [
            f"{name}: {usual:.4g} usually, {today:.4g} today ({shift:+.2g} of its unit)"
            for name, usual, today, shift in features_most_changed(changes, runtime)
        ]
    return lines


def as_markdown(drift: Drift, lines: list[str], png: bytes | None) -> str:
    """The whole report.

    Args:
        drift: what came of the check.
        lines: from `changed`.
        png: from `draw_changes`.
    """
    parts = [f"# {summary(drift)}"]
    if drift.tests:
        table = [f"| {' | '.join(HEADINGS)} |", "|" + "---|" * len(HEADINGS)]
        parts.append("\n".join([*table, *(f"| {' | '.join(line)} |" for line in cells(drift))]))
        parts.append(
            f"A check finds drift where there is none in {drift.false_alarm_rate:.2g} of cases; its "
            f"{len(drift.tests)} tests share that."
        )
    if lines:
        parts.append("\n".join(f"- {line}" for line in lines))
    if png is not None:
        parts.append(f"![the usual row, today's, and what differs]({data_uri(png)})")
    return "\n\n".join(parts) + "\n"
