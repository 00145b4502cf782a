"""Whether what the service saw of late has drifted, by the sketches that its workers wrote."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce

import numpy as np

from flows.steps.drift.comparing import GROUPS, LABELS, Test, compare
from flows.steps.errors import DriftError
from service.drift.reference import Reference, read_reference
from service.drift.sketch import Sketch
from service.drift.windows import Window, Windows
from service.release.channels import Channels
from service.release.home import Home
from service.release.store import ReleaseStore

LEAST_ROWS = 200
FALSE_ALARM_RATE = 0.01
HOURS = 24.0


@dataclass(frozen=True)
class Drift:
    """What came of a check.

    release: whose rows. since, until: when they came; None where none did. seen: rows that came, of which the sketch
    may hold fewer. false_alarm_rate: how often such a check finds drift where there is none. tests: what was compared;
    none where rows were too few. reference, sketch: of the release's own rows, and of those that came.
    """

    release: str
    since: datetime | None
    until: datetime | None
    seen: int
    false_alarm_rate: float
    tests: tuple[Test, ...]
    reference: Reference
    sketch: Sketch

    @property
    def limit(self) -> float:
        """The p-value at or below which one test finds drift: the rate, shared evenly among the tests (Bonferroni)."""
        return self.false_alarm_rate / max(1, len(self.tests))

    @property
    def fired(self) -> tuple[Test, ...]:
        """The tests that found drift."""
        return tuple(test for test in self.tests if test.p <= self.limit)

    @property
    def found(self) -> bool:
        """Whether the data have drifted."""
        return bool(self.fired)


def find_drift(home: Home, *, hours: float = HOURS, false_alarm_rate: float = FALSE_ALARM_RATE) -> Drift:
    """Compare the rows that the champion answered of late with its own.

    Args:
        home: whose champion, and where the service wrote what it saw.
        hours: how far back.
        false_alarm_rate: how often a check finds drift where there is none, above 0.

    Raises:
        DriftError: there is no champion, or it keeps nothing to compare with.
        ReleaseError: the champion cannot be read.
    """
    release = Channels(home).read().champion
    if release is None:
        raise DriftError(f"there is no champion in {home.root}: `manifold train` makes one")
    reference = read_reference(ReleaseStore(home).folder(release))
    if reference is None:
        raise DriftError(
            f"the champion {release} is of a version that keeps nothing to compare with: `manifold train` makes one"
        )
    windows = [
        window
        for window in Windows(home).read(release, datetime.now(UTC) - timedelta(hours=hours))
        if _is_of(window, reference)
    ]
    empty = Sketch.empty(len(reference.sketch.mean), len(reference.sketch.cells))
    sketch: Sketch = reduce(Sketch.merged, (window.sketch.sketch() for window in windows), empty)
    return Drift(
        release,
        min((window.since for window in windows), default=None),
        max((window.until for window in windows), default=None),
        sum(window.seen for window in windows),
        false_alarm_rate,
        tuple(tests_of(reference, sketch)),
        reference,
        sketch,
    )


def tests_of(reference: Reference, sketch: Sketch) -> list[Test]:
    """Every test of enough rows; none where rows are too few to say anything."""
    tests = compare(
        reference.sketch.sketch(), sketch, np.asarray(reference.groups), LABELS if reference.labelled else GROUPS
    )
    return [test for test in tests if test.rows >= LEAST_ROWS]


def _is_of(window: Window, reference: Reference) -> bool:
    """Whether a window was written by the release as it is: a home may have been copied."""
    sizes = len(window.sketch.mean), len(window.sketch.cells)
    return sizes == (len(reference.sketch.mean), len(reference.sketch.cells))
