"""The name of a dataset: a hash of everything that decides what is in it."""

from __future__ import annotations

import hashlib

from flows.steps.datasets.record import PrepareSettings
from flows.steps.datasets.source import Piece, Progress, Source
from service.release.integrity import sha256_of

# Raise it whenever the same source and settings would give other files than before.
_FORMAT = 3
_FORMAT_OF_BUILT_IN = 2


def fingerprint_of(source: Source, settings: PrepareSettings, on_progress: Progress) -> str:
    """32 hexadecimal digits that change with any byte or name in the source and any setting that matters.

    Times of files, the folder they lie in, and `minimum_rows` (it decides whether, not what) change nothing.
    """
    matters = settings.model_dump_json(exclude={"minimum_rows"})
    made_as = _FORMAT_OF_BUILT_IN if source.built_in else _FORMAT
    digest = hashlib.sha256(f"format {made_as} {type(source).__name__} {matters}".encode())
    pieces = source.pieces()
    for done, piece in enumerate(pieces, start=1):
        name = piece.name.encode(errors="surrogateescape")
        digest.update(f"{len(name)} ".encode() + name + _content(piece).encode())
        on_progress("fingerprint", done, len(pieces))
    return digest.hexdigest()[:32]


def _content(piece: Piece) -> str:
    if isinstance(piece.content, bytes):
        return hashlib.sha256(piece.content).hexdigest()
    try:
        return sha256_of(piece.content)
    except OSError:
        # The reader says which file it is and what to do, in the table with everything else.
        return "unreadable"
