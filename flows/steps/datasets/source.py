"""What every reader gives, whatever it reads: pieces to fingerprint, then rows in chunks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

from flows.steps.validation import Findings

# (what is being done, done so far, in all; 0 where that is not known)
Progress = Callable[[str, int, int], None]

# Rows are decoded, checked and copied in chunks of about this many bytes, so that memory stays bounded.
CHUNK_BYTES = 8 * 2**20


@dataclass(frozen=True)
class Piece:
    """One part of a source's content: a name that matters (it may hold the label) and a file, or bytes."""

    name: str
    content: Path | bytes


@dataclass(frozen=True)
class Layout:
    """What one row is. `value_range` is None where only the data can tell."""

    kind: Literal["image", "vector"]
    shape: tuple[int, ...]
    dtype: Literal["uint8", "float32"]
    value_range: tuple[float, float] | None = None
    columns: tuple[str, ...] | None = None

    @property
    def chunk_rows(self) -> int:
        """How many rows make one chunk."""
        row_bytes = 1 if self.dtype == "uint8" else 4
        for length in self.shape:
            row_bytes *= length
        return max(1, CHUNK_BYTES // max(1, row_bytes))


@dataclass(frozen=True)
class Chunk:
    """Decoded rows (n, *shape) in the layout's dtype, and n labels (whole numbers or text; None: missing)."""

    rows: NDArray[Any]
    labels: Sequence[object] | NDArray[Any] | None = None


@dataclass
class Reading:
    """A source being read. `chunks` decodes lazily and writes what it meets into the findings.

    `locate` says in words where row i is to be found; `dead_columns` are those that turned out not to be
    numbers (known when the chunks are used up); the last `official_test` rows are the published test split;
    `converted` counts the rows that are not kept as they were, by what was done to them (known likewise).
    """

    layout: Layout
    chunks: Iterator[Chunk]
    total: int
    locate: Callable[[int], str]
    dead_columns: set[int] = field(default_factory=set)
    official_test: int = 0
    label_names: tuple[str, ...] | None = None
    converted: Counter[str] = field(default_factory=Counter)


class Source(Protocol):
    """A reader that knows where its rows come from. A built-in dataset is trained on as it was published."""

    @property
    def name(self) -> str:
        """What the user called it."""

    @property
    def built_in(self) -> bool:
        """Whether it is a published dataset."""

    def lacks_labels(self) -> str | None:
        """What it is, in words, where no row of it can have a label, or all have the same; None where they may differ.

        Only names are looked at: those of files, folders, columns and arrays.
        """

    def pieces(self) -> Sequence[Piece]:
        """All content that the rows are made of, in a fixed order, without decoding any."""

    def read(self, findings: Findings, /) -> Reading:
        """Begin to decode. Raises SourceError, or BadDataError when there is no row to be had at all."""
