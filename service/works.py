"""What a release does to rows, as the batcher runs it. Equal works share a run: the same release and thing to do."""

from __future__ import annotations

from dataclasses import dataclass

from service.runtime import Floats, Runtime
from service.sampling import walk_packed


@dataclass(frozen=True)
class OfRelease:
    """What all works have in common: the release, and how many of its rows run at once on this machine."""

    runtime: Runtime

    @property
    def batch_rows(self) -> int:
        """At most so many rows in one run, as calibration found."""
        return self.runtime.setup.batch_rows


@dataclass(frozen=True)
class Encode(OfRelease):
    depth: int | None

    def __call__(self, rows: Floats, /) -> Floats:
        return self.runtime.encode(rows, self.depth)


@dataclass(frozen=True)
class Decode(OfRelease):
    def __call__(self, rows: Floats, /) -> Floats:
        return self.runtime.decode(rows)


@dataclass(frozen=True)
class Reconstruct(OfRelease):
    def __call__(self, rows: Floats, /) -> Floats:
        return self.runtime.reconstruct(rows)


@dataclass(frozen=True)
class Classify(OfRelease):
    def __call__(self, rows: Floats, /) -> Floats:
        return self.runtime.classify(rows)


@dataclass(frozen=True)
class Walk(OfRelease):
    def __call__(self, rows: Floats, /) -> Floats:
        return walk_packed(self.runtime, rows)


# Equal to no other: together with others' rows a run would last as long as all of them.
@dataclass(frozen=True, eq=False)
class Nearest(OfRelease):
    def __call__(self, rows: Floats, /) -> Floats:
        return self.runtime.nearest(rows)
