"""What a running service knows of its keys. It follows their file: keys are made and revoked without a restart."""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from typing import Final, NamedTuple

from service.keys.key_file import Key, KeyFile, KeyFileError
from service.release.home import Home

logger = logging.getLogger("bentoml.manifold")

# No key has this digest: nobody knows what it would be the digest of.
_NO_DIGEST: Final = bytes(32)
# Where the id is in a key: manifold_00000000_...
_ID: Final = slice(9, 17)
# A file that cannot be read is tried again; the disk may be away for a moment.
_RETRY_SECONDS = 5.0


class _Held(NamedTuple):
    key: Key
    digest: bytes
    ends: float


class KeyRing:
    """The keys of one home, as they are now.

    The file is looked at no more often than every `poll_seconds`, and only while requests come: the first request
    after a silence already sees the latest. A ring that has once demanded keys never ceases to: a file that is
    removed leaves a service shut until it is started again.

    Args:
        home: where the keys lie.
        poll_seconds: how often to look.

    Attributes:
        is_demanding: whether a key must be shown.
        failure: why the keys cannot be read, or None. Nobody is let in meanwhile.
    """

    def __init__(self, home: Home, poll_seconds: float) -> None:
        self._file = KeyFile(home)
        self._poll_seconds = poll_seconds
        self._held: dict[bytes, _Held] = {}
        self._seen: tuple[int, ...] | None = None
        self._look_at = 0.0
        self._read_at = 0.0
        self.is_demanding = False
        self.failure: str | None = None
        self._look(time.monotonic())

    def refresh(self) -> None:
        """Look at the file, if it is time."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look(now)

    def find(self, presented: bytes) -> Key | None:
        """The key that a client shows, where it is known and has not expired.

        Its digest is compared in constant time; the id within it, by which it is found, is no secret.
        """
        held = self._held.get(presented[_ID])
        digest = hashlib.sha256(presented).digest()
        if not hmac.compare_digest(digest, _NO_DIGEST if held is None else held.digest) or held is None:
            return None
        return held.key if held.ends > time.time() else None

    def _look(self, now: float) -> None:
        self._look_at = now + self._poll_seconds
        mark = self._mark()
        if mark == self._seen and (self.failure is None or now < self._read_at + _RETRY_SECONDS):
            return
        # Taken before the file is read: a change in between is seen the next time.
        self._seen, self._read_at = mark, now
        try:
            keys = self._file.read()
        except KeyFileError as error:
            # Some key may have been revoked: nobody is let in on an old list.
            self._held = {}
            self.is_demanding = True
            if self.failure != str(error):
                logger.error("%s; no key is accepted until they can", error)
            self.failure = str(error)
            return
        self.failure = None
        self._held = {key.id.encode(): _held(key) for key in keys or ()}
        self.is_demanding = self.is_demanding or keys is not None

    def _mark(self) -> tuple[int, ...] | None:
        try:
            status = self._file.path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            # Reading it says what is wrong.
            return (error.errno or 0,)
        return status.st_mtime_ns, status.st_ino, status.st_size, status.st_mode


def _held(key: Key) -> _Held:
    ends = float("inf") if key.expires is None else key.expires.timestamp()
    return _Held(key, bytes.fromhex(key.sha256), ends)
