"""The name of a dataset: a hash of everything that decides what is in it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from flows.steps.datasets.choosing import choose_source
from flows.steps.datasets.record import PrepareSettings
from flows.steps.datasets.seen_files import SeenFiles
from flows.steps.datasets.source import Piece, Progress, Source

# Raise it whenever the same source and settings would give other files than before.
_FORMAT = 3
_FORMAT_OF_BUILT_IN = 2


def fingerprint_of(source: Source, settings: PrepareSettings, seen: SeenFiles, on_progress: Progress) -> str:
    """32 hexadecimal digits that change with any byte or name in the source and any setting that matters.

    Times of files, the folder they lie in, and `minimum_rows` (it decides whether, not what) change nothing.
    """
    matters = settings.model_dump_json(exclude={"minimum_rows"})
    made_as = _FORMAT_OF_BUILT_IN if source.built_in else _FORMAT
    digest = hashlib.sha256(f"format {made_as} {type(source).__name__} {matters}".encode())
    pieces = source.pieces()
    for done, piece in enumerate(pieces, start=1):
        name = piece.name.encode(errors="surrogateescape")
        digest.update(f"{len(name)} ".encode() + name + _content(piece, seen).encode())
        on_progress("fingerprint", done, len(pieces))
    seen.keep()
    return digest.hexdigest()[:32]


def look_at_source(
    source: str, *, home: Path, data_folder: Path, settings: PrepareSettings, on_progress: Progress
) -> tuple[str, str]:
    """What a source is called, and the fingerprint of the dataset that `prepare_dataset` would make of it now.

    Nothing is decoded. Arguments as for `prepare_dataset`.

    Raises:
        SourceError: there is no such source, or it is of a kind that is not read.
    """
    chosen = choose_source(source, data_folder, settings.label_column, on_progress).source
    return chosen.name, fingerprint_of(chosen, settings, SeenFiles(home, source), on_progress)


def _content(piece: Piece, seen: SeenFiles) -> str:
    if isinstance(piece.content, bytes):
        return hashlib.sha256(piece.content).hexdigest()
    try:
        return seen.sha256(piece.content)
    except OSError:
        # The reader says which file it is and what to do, in the table with everything else.
        return "unreadable"
