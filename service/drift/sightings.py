"""What a worker sees of its requests, added up beside them.

A request hands over what it has anyway, and goes on: that is one append. Once a second all of it is sketched in another
thread, and forgotten; every ten seconds the sketches are written.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from service.champion import Live
from service.density import Spread
from service.drift.sketch import Doubles, Floats, Sketch
from service.drift.windows import KeptSketch, Window, Windows
from service.scoring import p_values, squared_errors
from service.settings import Settings

logger = logging.getLogger("bentoml.manifold")

_TICK_SECONDS: Final = 1.0
# Of what comes within a second, so many numbers are sketched: some milliseconds of one core.
_MOST_CODE_NUMBERS: Final = 2**17
_MOST_ROW_NUMBERS: Final = 2**19
# What is done with a code of fewer numbers takes as long.
_LEAST_WIDTH: Final = 64


class _Noted(NamedTuple):
    """What one request handed over: how many rows came, and of some of them codes (n, code), reconstruction errors
    (n,), or the rows themselves and what they were rebuilt as."""

    live: Live
    came: int
    codes: Floats | None = None
    errors: Floats | None = None
    rows: Floats | None = None
    rebuilt: Floats | None = None


@dataclass
class _Open:
    """A window that still grows."""

    path: Path
    since: datetime
    space: str
    sketch: Sketch
    seen: int = 0
    is_written: bool = False

    def as_window(self, release: str, now: datetime) -> Window:
        kept = KeptSketch.of(self.sketch)
        return Window(release=release, space=self.space, since=self.since, until=now, seen=self.seen, sketch=kept)


class Sightings:
    """Keeps statistics of what a worker sees. Its methods but `run` and `close` take a microsecond.

    Args:
        settings: whether to, where, and how often to write.

    Attributes:
        unwritten: why the sketches cannot be written and are kept in memory only, or None.
    """

    def __init__(self, settings: Settings) -> None:
        self._on = settings.drift
        self._flush_seconds = settings.drift_flush_seconds
        self._windows = Windows(settings.at)
        self._noted: list[_Noted] = []
        self._code_room, self._row_room = 0, 0
        self._open: dict[tuple[str, datetime], _Open] = {}
        self._ticks = 0
        # At the end the last tick may still be at it.
        self._adding = threading.Lock()
        self.unwritten: str | None = None

    def codes(self, live: Live, z: Floats, errors: Floats | None = None) -> None:
        """Rows were encoded, to codes z (n, code), finite; perhaps with their reconstruction errors (n,)."""
        if not (self._on and is_sketched(live)):
            return
        came, size = z.shape
        width = size if size > _LEAST_WIDTH else _LEAST_WIDTH
        room = self._code_room // width
        if came > room:
            few = _spread_out(came, room)
            z, errors = z[few], None if errors is None else errors[few]
        self._code_room -= len(z) * width
        self._noted.append(_Noted(live, came, z, errors))

    def reconstructions(self, live: Live, rows: Floats, rebuilt: Floats) -> None:
        """Rows (n, *shape) were rebuilt, finite, in the data's own units."""
        if not (self._on and is_sketched(live)):
            return
        few = _spread_out(len(rows), self._row_room // rows[0].size)
        self._row_room -= rows[few].size
        self._noted.append(_Noted(live, len(rows), rows=rows[few], rebuilt=rebuilt[few]))

    def give_room(self) -> None:
        """Begin a second: so much of what comes may be sketched."""
        self._code_room, self._row_room = _MOST_CODE_NUMBERS, _MOST_ROW_NUMBERS

    async def run(self) -> None:
        """Sketch and write, for ever; runs as a task beside the requests."""
        while self._on:
            self.give_room()
            await asyncio.sleep(_TICK_SECONDS)
            self._ticks += 1
            due = self._ticks * _TICK_SECONDS >= self._flush_seconds
            if self._noted or due:
                await self._tick(write=due)

    async def close(self) -> None:
        """Sketch and write what there is."""
        if self._on:
            await self._tick(write=True)

    def windows(self, release: str, since: datetime) -> list[Window]:
        """What all workers of this home have written of a release since then; where this one cannot write, its own."""
        if self.unwritten is None:
            return self._windows.read(release, since)
        now = datetime.now(UTC)
        return [window.as_window(release, now) for (of, _), window in list(self._open.items()) if of == release]

    async def _tick(self, *, write: bool) -> None:
        noted, self._noted = self._noted, []
        if write:
            self._ticks = 0
        await asyncio.to_thread(self._add, noted, write)

    def _add(self, noted: list[_Noted], write: bool) -> None:
        with self._adding:
            self._add_alone(noted, write)

    def _add_alone(self, noted: list[_Noted], write: bool) -> None:
        now = datetime.now(UTC)
        try:
            for live, parts in _by_release(noted):
                window = self._window(live, now)
                window.sketch = window.sketch.merged(_sketch(live, parts))
                window.seen += sum(part.came for part in parts)
                window.is_written = False
            if write:
                self._write(now)
        except OSError as error:
            if self.unwritten is None:
                logger.warning("drift: statistics of what is seen are kept in memory only: %s", error)
            self.unwritten = str(error)
        except Exception:
            # Whatever is wrong with statistics, requests go on.
            logger.exception("drift: what was seen could not be added up")

    def _window(self, live: Live, now: datetime) -> _Open:
        hour = now.replace(minute=0, second=0, microsecond=0)
        window = self._open.get((live.release, hour))
        if window is None:
            path = self._windows.path(live.release, hour, uuid.uuid4().hex)
            empty = empty_sketch(live)
            window = self._open[live.release, hour] = _Open(path, now, live.manifest.space_id, empty)
        return window

    def _write(self, now: datetime) -> None:
        hour = now.replace(minute=0, second=0, microsecond=0)
        written = False
        for (release, started), window in list(self._open.items()):
            if not window.is_written:
                self._windows.write(window.path, window.as_window(release, now))
                window.is_written = written = True
            if started != hour:
                del self._open[release, started]
        if written:
            self.unwritten = None
            self._windows.prune(now)


def is_sketched(live: Live) -> bool:
    """Whether a release says what its rows are to be compared with."""
    return live.runtime.spread is not None and live.runtime.spread.cells is not None


def empty_sketch(live: Live) -> Sketch:
    """Of no rows of a release that is watched."""
    _, cells = _known(live)
    return Sketch.empty(live.manifest.code.size, len(cells))


def _known(live: Live) -> tuple[Spread, Doubles]:
    spread = live.runtime.spread
    if spread is None or spread.cells is None:
        raise ValueError(f"release {live.release} is not watched")
    return spread, spread.cells


def _spread_out(count: int, room: int) -> slice:
    """At most `room` of `count` rows: all where they fit, else evenly spread; none where there is no room."""
    return slice(None, None, -(-count // room)) if room > 0 else slice(0)


def _by_release(noted: list[_Noted]) -> list[tuple[Live, list[_Noted]]]:
    of: dict[str, list[_Noted]] = {}
    for part in noted:
        of.setdefault(part.live.release, []).append(part)
    return [(parts[0].live, parts) for parts in of.values()]


def _sketch(live: Live, noted: list[_Noted]) -> Sketch:
    known = live.manifest.calibration
    spread, cells = _known(live)
    none = np.empty((0, live.manifest.code.size), np.float32)
    codes = np.concatenate([none, *(part.codes for part in noted if part.codes is not None)])
    distances = np.minimum(spread.distances(codes), np.finfo(np.float32).max).astype(np.float32)
    scale = live.manifest.input.scale
    errors = np.concatenate(
        [
            np.empty(0, np.float32),
            *(part.errors for part in noted if part.errors is not None),
            *(
                np.minimum(squared_errors(part.rows, part.rebuilt, scale), np.finfo(np.float32).max)
                for part in noted
                if part.rows is not None and part.rebuilt is not None
            ),
        ]
    ).astype(np.float32)
    return Sketch.of(
        codes,
        spread,
        cells,
        p_values(distances, known.latent_distance, known.rows),
        p_values(errors, known.reconstruction_error, known.rows),
    )
