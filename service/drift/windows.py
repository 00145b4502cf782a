"""Sketches on disk: one file for each worker, release and hour, replaced whole while the hour lasts."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self

import numpy as np
from pydantic import Field, ValidationError, model_validator

from service.drift.sketch import P_ENDS, WIDTH, Sketch
from service.release.atomic import write_atomically
from service.release.drafts import remove_abandoned
from service.release.home import Home
from service.release.part import Part

WINDOW: Final = timedelta(hours=1)
KEPT: Final = timedelta(days=30)
# Many workers that are restarted often must not fill the disk: 2,000 windows of a code of 64 are 100 MB.
_MOST_FILES: Final = 2_000
_NAME: Final = re.compile(r"(\d{8}T\d{2})-[0-9a-f]{32}\.json")
_HOUR: Final = "%Y%m%dT%H"


class KeptSketch(Part):
    """A `Sketch` as JSON has it; of the scatter, which is symmetric, the lower triangle, row by row."""

    rows: int = Field(ge=0)
    mean: tuple[float, ...]
    scatter: tuple[float, ...]
    cells: tuple[int, ...]
    latent_p: tuple[int, ...]
    reconstruction_p: tuple[int, ...]

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        width = min(len(self.mean), WIDTH)
        if len(self.scatter) != width * (width + 1) // 2:
            raise ValueError("the scatter is not that of such a mean")
        if {len(self.latent_p), len(self.reconstruction_p)} != {len(P_ENDS)}:
            raise ValueError(f"histograms of p-values have {len(P_ENDS)} bins")
        if min(*self.cells, *self.latent_p, *self.reconstruction_p) < 0 or sum(self.cells) != self.rows:
            raise ValueError("counts that nothing can have")
        return self

    @classmethod
    def of(cls, sketch: Sketch) -> Self:
        """A sketch to be kept."""
        lower = np.tril_indices(len(sketch.scatter))
        return cls(
            rows=sketch.rows,
            mean=tuple(sketch.mean.tolist()),
            scatter=tuple(sketch.scatter[lower].tolist()),
            cells=tuple(sketch.cells.tolist()),
            latent_p=tuple(sketch.latent_p.tolist()),
            reconstruction_p=tuple(sketch.reconstruction_p.tolist()),
        )

    def sketch(self) -> Sketch:
        """The sketch that was kept."""
        width = min(len(self.mean), WIDTH)
        lower = np.zeros((width, width))
        lower[np.tril_indices(width)] = self.scatter
        return Sketch(
            self.rows,
            np.asarray(self.mean),
            lower + np.tril(lower, -1).T,
            np.asarray(self.cells, np.int64),
            np.asarray(self.latent_p, np.int64),
            np.asarray(self.reconstruction_p, np.int64),
        )


class Window(Part):
    """What one worker saw of the rows that one release answered, in one hour or a part of it."""

    release: str
    space: str
    since: datetime = Field(description="when its first row came; UTC")
    until: datetime = Field(description="when it was written last; UTC")
    seen: int = Field(ge=0, description="rows that came; where many come at once, not all are in the sketch")
    sketch: KeptSketch


class Windows:
    """The windows of one home, all workers' and all releases'.

    Args:
        home: where they lie; it need not exist yet.
    """

    def __init__(self, home: Home) -> None:
        self._root = home.drift

    def path(self, release: str, hour: datetime, worker: str) -> Path:
        """Where a worker's window of an hour lies; `worker` is 32 hexadecimal digits."""
        return self._root / release / f"{hour:{_HOUR}}-{worker}.json"

    def write(self, path: Path, window: Window) -> None:
        """Put a window in its place, whole.

        Raises:
            OSError: the disk refused; what was there before still is.
        """
        write_atomically(path, window.model_dump_json().encode())

    def read(self, release: str, since: datetime) -> list[Window]:
        """The windows of a release that were written to after `since`, oldest first; what is damaged is left out."""
        found = []
        for hour, path in self._files(release):
            if hour + WINDOW < since:
                continue
            # Removed just now, or written by another version.
            with contextlib.suppress(OSError, ValidationError):
                window = Window.model_validate_json(path.read_bytes())
                if window.until >= since and window.release == release:
                    found.append(window)
        return sorted(found, key=lambda window: window.since)

    def prune(self, now: datetime) -> None:
        """Remove windows that are older than 30 days, the oldest where a release has too many, and what dead workers
        left half written.

        Raises:
            OSError: the disk refused.
        """
        for folder in self._root.iterdir() if self._root.is_dir() else ():
            files = sorted(self._files(folder.name))
            for number, (hour, path) in enumerate(files):
                if hour + KEPT < now or number < len(files) - _MOST_FILES:
                    path.unlink(missing_ok=True)
            for draft in folder.glob(".*.json.*"):
                remove_abandoned(folder / draft.name[1 : draft.name.index(".json.") + len(".json")])
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _files(self, release: str) -> Iterator[tuple[datetime, Path]]:
        folder = self._root / release
        if not folder.is_dir():
            return
        for path in folder.iterdir():
            if (named := _NAME.fullmatch(path.name)) is not None:
                yield datetime.strptime(named[1], _HOUR).replace(tzinfo=UTC), path
