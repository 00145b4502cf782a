"""A check as a whole: what was found, and what there is to show of it."""

from __future__ import annotations

from typing import NamedTuple

from flows.steps.drift.changes import changes_of
from flows.steps.drift.finding import FALSE_ALARM_RATE, HOURS, Drift, find_drift
from flows.steps.drift.picture import draw_changes
from flows.steps.drift.telling import as_markdown, changed
from service.release.home import Home
from service.release.integrity import verify_release
from service.release.store import ReleaseStore
from service.runtime import Runtime


class Checked(NamedTuple):
    """What was found, lines that say what has changed, a report as Markdown, and its picture, None of vectors."""

    drift: Drift
    lines: list[str]
    markdown: str
    picture: bytes | None


def check_drift(home: Home, *, hours: float = HOURS, false_alarm_rate: float = FALSE_ALARM_RATE) -> Checked:
    """Look for drift, and draw what has changed where there were rows enough. Arguments as in `find_drift`.

    Raises:
        DriftError, ReleaseError: as `find_drift`.
        ModelError: the champion cannot be loaded.
    """
    drift = find_drift(home, hours=hours, false_alarm_rate=false_alarm_rate)
    if not drift.tests or drift.sketch.rows == 0:
        return Checked(drift, [], as_markdown(drift, [], None), None)
    folder = ReleaseStore(home).folder(drift.release)
    runtime = Runtime.load(folder, verify_release(folder), device="cpu")
    changes = changes_of(drift, runtime)
    lines, picture = changed(changes, runtime), draw_changes(drift, changes, runtime)
    return Checked(drift, lines, as_markdown(drift, lines, picture), picture)
