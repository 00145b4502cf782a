"""Hashes of files that were read before, so that an unchanged source is looked at and not read again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from service.release.atomic import write_atomically
from service.release.integrity import sha256_of

# size, mtime in ns, ctime in ns, inode; any write moves the ctime, also one after which the mtime is set back.
_Look = tuple[int, int, int, int]
_KNOWN = TypeAdapter(dict[str, tuple[int, int, int, int, str]])
# The coarsest clock of a file system (FAT): a younger file may change again and look the same.
_SETTLED_NS = 2_000_000_000


class SeenFiles:
    """The hashes of one source's files, with how each looked when it was read.

    Args:
        home: they lie in `home/sources/`, in one file a source.
        source: what the user called it.
    """

    def __init__(self, home: Path, source: str) -> None:
        name = hashlib.sha256(os.fsencode(Path(source).absolute())).hexdigest()[:16]
        self._place = home / "sources" / f"{name}.json"
        self._before = _read(self._place)
        self._now: dict[str, tuple[int, int, int, int, str]] = {}

    def sha256(self, path: Path) -> str:
        """The hash of a file: remembered, where it looks as it did then; else it is read.

        A file that changed less than two seconds before it was read is not remembered.

        Raises:
            OSError: it cannot be read.
        """
        started, look = time.time_ns(), _look(path)
        key = str(path.absolute())
        known = self._before.get(key)
        if known is not None and known[:4] == look:
            self._now[key] = known
            return known[4]
        digest = sha256_of(path)
        if started - max(look[1], look[2]) > _SETTLED_NS and _look(path) == look:
            self._now[key] = (*look, digest)
        return digest

    def keep(self) -> None:
        """Remember the files that were asked for, and no others; a disk that refuses costs a reading, no more."""
        if self._now != self._before:
            with contextlib.suppress(OSError):
                write_atomically(self._place, json.dumps(self._now).encode())


def _look(path: Path) -> _Look:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino


def _read(place: Path) -> dict[str, tuple[int, int, int, int, str]]:
    try:
        return _KNOWN.validate_python(json.loads(place.read_bytes()))
    except (OSError, ValueError, ValidationError):
        # None yet, or not one that was written here: everything is read.
        return {}
