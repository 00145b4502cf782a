"""The file of API keys: what is kept of each, and how one is made and revoked.

Only a SHA-256 of a key is kept. That is enough: a key's secret is 256 random bits, so that nobody can try them all
however fast the hash is. The slow, salted hashes that passwords need would cost each request milliseconds, and
protect against nothing here.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal, get_args

from filelock import FileLock, Timeout
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from service.release.atomic import write_atomically
from service.release.home import Home

Scope = Literal["infer", "admin", "metrics"]

# Lets scanners of secrets know one of ours where it should not be.
_PREFIX: Final = "manifold"
_LOCK_SECONDS = 30.0
_OWNER_ONLY = 0o600

Name = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,80}$")]


class KeyFileError(Exception):
    """The file of keys cannot be read or changed as asked; the message is one plain line for a person."""


class Key(BaseModel):
    """What is kept of a key.

    Attributes:
        id: names the key where its secret must not be: in logs, in the journal, to revoke it. Eight hex digits.
        name: what its maker calls it.
        scopes: what it is for.
        sha256: of the whole key as a client sends it.
        created, expires: with their time zone; a key without `expires` is good until it is revoked.
        rate: requests a second, in each worker; by default as the service's settings say.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}$")]
    name: Name
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    created: AwareDatetime
    expires: AwareDatetime | None = None
    rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    def is_expired(self) -> bool:
        """Whether its time is over."""
        return self.expires is not None and self.expires <= datetime.now(UTC)


def _known(scopes: tuple[str, ...]) -> tuple[Scope, ...]:
    known: dict[str, Scope] = {scope: scope for scope in get_args(Scope)}
    for scope in scopes:
        if scope not in known:
            raise KeyFileError(f"scope: {scope!r} came, one of {', '.join(known)} expected")
    return tuple(known[scope] for scope in dict.fromkeys(scopes))


class _Content(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    keys: tuple[Key, ...] = ()


class KeyFile:
    """The keys below one home. Any number of processes may change them: each change holds a lock."""

    def __init__(self, home: Home) -> None:
        self.path = home.keys

    def read(self) -> tuple[Key, ...] | None:
        """All keys, oldest first; None where there is no file, which is where none was ever made.

        Raises:
            KeyFileError: the file is there but cannot be read, or is not one of ours.
        """
        try:
            return _Content.model_validate_json(self.path.read_bytes()).keys
        except FileNotFoundError:
            return None
        except OSError as error:
            raise KeyFileError(f"the keys cannot be read: {error}") from error
        except ValidationError as error:
            raise KeyFileError(f"the keys cannot be read: {self.path} is not a file of keys") from error

    def new(
        self, name: str, scopes: tuple[str, ...], *, lasts: timedelta | None = None, rate: float | None = None
    ) -> tuple[Key, str]:
        """Make a key.

        Args:
            name: what to call it, for people.
            scopes: what it is for.
            lasts: until it expires; for ever where None.
            rate: requests a second, in each worker.

        Returns:
            what is kept of it, and the key itself, which is kept nowhere.

        Raises:
            KeyFileError: one of the arguments cannot be meant, or the disk refused.
        """
        with self._locked():
            keys = self.read() or ()
            taken = {key.id for key in keys}
            key_id = next(found for found in iter(lambda: secrets.token_hex(4), None) if found not in taken)
            secret = f"{_PREFIX}_{key_id}_{secrets.token_urlsafe(32)}"
            now = datetime.now(UTC)
            try:
                key = Key(
                    id=key_id,
                    name=name,
                    scopes=_known(scopes),
                    sha256=hashlib.sha256(secret.encode()).hexdigest(),
                    created=now,
                    expires=None if lasts is None else now + lasts,
                    rate=rate,
                )
            except ValidationError as error:
                first = error.errors()[0]
                raise KeyFileError(f"{first['loc'][0]}: {first['input']!r} came; {first['msg']}") from error
            except OverflowError as error:
                raise KeyFileError("expires: so far away that no date can say it") from error
            self._write((*keys, key))
        return key, secret

    def revoke(self, key_id: str) -> Key:
        """Take a key away: running services refuse it as soon as they look at the file again.

        The file stays, even without a key in it: whoever revokes the last one shuts the service, and does not open it.

        Raises:
            KeyFileError: there is no such key, or the disk refused.
        """
        with self._locked():
            keys = self.read() or ()
            revoked = next((key for key in keys if key.id == key_id), None)
            if revoked is None:
                raise KeyFileError(f"there is no key {key_id}; `manifold keys list` names those there are")
            self._write(tuple(key for key in keys if key is not revoked))
        return revoked

    def _write(self, keys: tuple[Key, ...]) -> None:
        content = _Content(keys=keys).model_dump_json(indent=2, exclude_none=True).encode() + b"\n"
        write_atomically(self.path, content, mode=_OWNER_ONLY)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path.with_suffix(".lock"), timeout=_LOCK_SECONDS):
                yield
        except Timeout as error:
            raise KeyFileError(f"another process has held {self.path} for {_LOCK_SECONDS:g} s") from error
        except OSError as error:
            raise KeyFileError(f"the keys cannot be changed: {error}") from error
