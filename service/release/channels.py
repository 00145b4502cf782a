"""Which release is champion, which was before, which is candidate: one file, and the journal of its moves.

All channels are in one file, so that a promotion, which moves two of them, is one rename: no reader sees a
champion without its predecessor. The file carries its last move; a journal line that a crash kept from being
written is written by the next one who looks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from service.release.atomic import sync_folder, write_atomically
from service.release.errors import ChannelError
from service.release.home import Home
from service.release.store import ReleaseStore

_LOCK_SECONDS = 30.0


class Move(BaseModel):
    """One line of the journal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sequence: int
    when: str
    action: Literal["promote", "rollback", "propose"]
    release: str
    replaces: str | None
    who: str
    why: str
    verdict: str


class ChannelState(BaseModel):
    """What each channel names now, and the move that made it so."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    sequence: int = 0
    champion: str | None = None
    previous: str | None = None
    candidate: str | None = None
    move: Move | None = None

    def names(self, version: str) -> list[str]:
        """The channels that name this release."""
        return [channel for channel in ("champion", "previous", "candidate") if getattr(self, channel) == version]


class Channels:
    """The channels below one home. Any number of processes may move them: each move holds a lock."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._store = ReleaseStore(home)
        self.path = home.channels

    def read(self) -> ChannelState:
        """What each channel names now; all None before the first move.

        Raises:
            ChannelError: the file is there but is not one of ours.
        """
        try:
            return ChannelState.model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return ChannelState()
        except (OSError, ValidationError) as error:
            raise ChannelError(f"{self.path} cannot be read: {error}") from error

    def journal(self) -> list[Move]:
        """Every move, oldest first.

        Raises:
            ChannelError: the journal has a line that is not a move.
        """
        with self._locked():
            self._complete_journal(self.read())
        return self._journal_lines()

    def promote(self, version: str, *, who: str, why: str, verdict: str) -> ChannelState:
        """Make a release the champion; the champion so far becomes `previous`.

        Promoting the champion changes nothing.

        Args:
            version: a published release.
            who: the person or flow run that asks.
            why: the reason, for the journal.
            verdict: what the checks said.

        Raises:
            UnknownReleaseError: there is no such release.
            ChannelError: another move holds the lock for too long, or the disk refused.
        """
        with self._locked():
            state = self.read()
            self._store.folder(version)
            if state.champion == version:
                return state
            candidate = None if state.candidate == version else state.candidate
            update = {"champion": version, "previous": state.champion, "candidate": candidate}
            return self._move(state, "promote", version, update, who=who, why=why, verdict=verdict)

    def propose(self, version: str, *, who: str, why: str, verdict: str) -> ChannelState:
        """Make a release the candidate. Raises as `promote` does."""
        with self._locked():
            state = self.read()
            self._store.folder(version)
            if state.candidate == version:
                return state
            return self._move(state, "propose", version, {"candidate": version}, who=who, why=why, verdict=verdict)

    def rollback(self, *, who: str, why: str) -> ChannelState:
        """Make the previous champion the champion again.

        The two change places, so that a second rollback undoes the first.

        Raises:
            ChannelError: there is no previous champion.
            UnknownReleaseError: it is no longer in the store.
        """
        with self._locked():
            state = self.read()
            if state.previous is None:
                raise ChannelError("there is no previous champion to go back to")
            self._store.folder(state.previous)
            update = {"champion": state.previous, "previous": state.champion}
            return self._move(state, "rollback", state.previous, update, who=who, why=why, verdict="served before")

    def _move(
        self,
        state: ChannelState,
        action: Literal["promote", "rollback", "propose"],
        version: str,
        update: dict[str, str | None],
        *,
        who: str,
        why: str,
        verdict: str,
    ) -> ChannelState:
        self._complete_journal(state)
        move = Move(
            sequence=state.sequence + 1,
            when=datetime.now(UTC).isoformat(timespec="milliseconds"),
            action=action,
            release=version,
            replaces=state.candidate if action == "propose" else state.champion,
            who=who,
            why=why,
            verdict=verdict,
        )
        moved = state.model_copy(update={**update, "sequence": move.sequence, "move": move})
        try:
            write_atomically(self.path, moved.model_dump_json(indent=2).encode() + b"\n")
            self._complete_journal(moved)
        except OSError as error:
            raise ChannelError(f"{action} of {version}: {error}") from error
        return moved

    def _complete_journal(self, state: ChannelState) -> None:
        """Append the last move if the journal lacks it; the file is ahead of the journal, never behind."""
        if state.move is None:
            return
        lines = self._journal_lines()
        if lines and lines[-1].sequence >= state.sequence:
            return
        self._drop_torn_line()
        with self._home.journal.open("ab") as file:
            file.write(state.move.model_dump_json().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self._home.journal.parent)

    def _journal_lines(self) -> list[Move]:
        try:
            content = self._home.journal.read_bytes()
        except FileNotFoundError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        try:
            return [Move.model_validate_json(line) for line in whole.splitlines()]
        except ValidationError as error:
            raise ChannelError(f"{self._home.journal} has a line that is not a move: {error}") from error

    def _drop_torn_line(self) -> None:
        """Cut off a last line without its end: a crash while appending; its move is appended again."""
        if not self._home.journal.exists():
            return
        with self._home.journal.open("rb+") as file:
            content = file.read()
            file.truncate(content.rfind(b"\n") + 1)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.path.with_suffix(".lock"), timeout=_LOCK_SECONDS):
                yield
        except Timeout as error:
            raise ChannelError(f"another process has held {self.path} for {_LOCK_SECONDS:g} s") from error
