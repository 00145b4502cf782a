"""Counts that are added up in memory and written a few times a second.

In prometheus-client each increment writes to a file that the workers share, behind a lock: some two microseconds for
each observation, of which a request has half a dozen.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

from prometheus_client import Counter, Histogram

# Seconds that a count may be late in what another worker tells.
_LATE: Final = 0.1


class Writable(Protocol):
    """What has added up something."""

    def write(self) -> None:
        """Hand on what was added up, and begin anew."""


class Writing:
    """Writes what was added up, a moment after the first of it; at once where no event loop runs."""

    def __init__(self) -> None:
        self._tallies: list[Writable] = []
        self.is_due = False

    def add(self, tally: Writable) -> None:
        """Write this one, too, from now on."""
        self._tallies.append(tally)

    def begin(self) -> None:
        """There is something to write."""
        try:
            asyncio.get_running_loop().call_later(_LATE, self.write)
        except RuntimeError:
            self.write()
        else:
            self.is_due = True

    def write(self) -> None:
        """Write all; in the event loop, where they are added up."""
        self.is_due = False
        for tally in self._tallies:
            tally.write()


class CounterTally:
    """Adds up a counter's increments."""

    def __init__(self, counter: Counter, _bounds: Sequence[float], writing: Writing) -> None:
        self._counter = counter
        self._writing = writing
        self._amount = 0.0

    def inc(self, amount: float = 1.0) -> None:
        """Count so much more."""
        self._amount += amount
        if not self._writing.is_due:
            self._writing.begin()

    def write(self) -> None:
        """Hand on what was added up, and begin anew."""
        if self._amount:
            self._counter.inc(self._amount)
            self._amount = 0.0


class HistogramTally:
    """Adds up a histogram's observations, bucket by bucket."""

    def __init__(self, histogram: Histogram, bounds: Sequence[float], writing: Writing) -> None:
        self._histogram = histogram
        self._bounds = bounds
        self._writing = writing
        self._sum = 0.0
        self._counts = [0] * (len(bounds) + 1)

    def observe(self, value: float) -> None:
        """Note a value."""
        self._sum += value
        self._counts[bisect_left(self._bounds, value)] += 1
        if not self._writing.is_due:
            self._writing.begin()

    def write(self) -> None:
        """Hand on what was added up, and begin anew."""
        # There is no public way to observe many at once.
        for number, count in enumerate(self._counts):
            if count:
                self._histogram._buckets[number].inc(count)
                self._counts[number] = 0
        if self._sum:
            self._histogram._sum.inc(self._sum)
            self._sum = 0.0


Tally = TypeVar("Tally", CounterTally, HistogramTally)


class Labelled(Generic[Tally]):
    """A metric's tallies by their labels, found again at once."""

    def __init__(
        self, metric: Counter | Histogram, kind: type[Tally], writing: Writing, bounds: Sequence[float] = ()
    ) -> None:
        self._metric = metric
        self._kind: type[Tally] = kind
        self._writing = writing
        self._bounds = bounds
        self._tallies: dict[tuple[str, ...], Tally] = {}

    def labels(self, *values: str) -> Tally:
        """The tally of these labels, in the metric's order."""
        tally = self._tallies.get(values)
        if tally is None:
            child: Any = self._metric.labels(*values)
            tally = self._tallies[values] = self._kind(child, self._bounds, self._writing)
            self._writing.add(tally)
        return tally
