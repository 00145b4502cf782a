"""Which release is champion, which was before, which is candidate: one file, and the journal of its moves.

All channels are in one file, so that a promotion, which moves two of them, is one rename: no reader sees a
champion without its predecessor. The file carries its last move; a journal line that a crash kept from being
written is written by the next one who looks. So the journal is never ahead of the channels, and never lacks a move.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from service.release.atomic import write_atomically
from service.release.errors import ChannelError
from service.release.home import Home
from service.release.journal import PROBATION, Action, Journal, Move, failed_in_probation
from service.release.store import ReleaseStore

logger = logging.getLogger("bentoml.manifold")

_LOCK_SECONDS = 30.0


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
        self._journal = Journal(home.journal)
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
        return self._journal.moves()

    def history(self) -> list[Move]:
        """As `journal`, where nothing can be written: also the last move, if its line is not there yet."""
        state, lines = self.read(), self._journal.moves()
        late = state.move is not None and (not lines or lines[-1].sequence < state.move.sequence)
        return [*lines, state.move] if late and state.move is not None else lines

    def promote(
        self,
        version: str,
        *,
        who: str,
        why: str,
        verdict: str,
        by_itself: bool = False,
        then: Callable[[Move], None] | None = None,
    ) -> ChannelState:
        """Make a release the champion; the champion so far becomes `previous`.

        Promoting the champion changes nothing.

        Args:
            version: a published release.
            who: the person or flow run that asks.
            why: the reason, for the journal.
            verdict: what the checks said.
            by_itself: no person asks. Then what the same `who` has promoted already is left as it is, wherever the
                champion has gone since, and so is a release that failed in its probation.
            then: the last step, called with the move while no other can come in between; where it raises, the
                channels go back to what they named, and the journal says so.

        Raises:
            UnknownReleaseError: there is no such release.
            ChannelError: another move holds the lock for too long, the disk refused, or `then` raised.
        """
        with self._locked():
            state = self.read()
            self._store.folder(version)
            if state.champion == version or (by_itself and _is_settled(self.history(), version, who)):
                return state
            candidate = None if state.candidate == version else state.candidate
            update = {"champion": version, "previous": state.champion, "candidate": candidate}
            moved = self._move(state, "promote", version, update, who=who, why=why, verdict=verdict)
            if then is not None and moved.move is not None:
                try:
                    then(moved.move)
                except Exception as error:
                    before = {channel: getattr(state, channel) for channel in ("champion", "previous", "candidate")}
                    self._move(moved, "undo", version, before, who=who, why=f"{error}", verdict="a later step failed")
                    raise ChannelError(
                        f"promotion of {version} was undone, since a later step failed: {error}"
                    ) from error
            return moved

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

    def roll_back_failed(self, version: str, *, why: str) -> Move | None:
        """Make the previous champion the champion again because `version` failed in its probation.

        Returns:
            The move. None where nothing is to be done: `version` is no longer the champion (somebody else was
            first), it has been rolled back so before, or the release before it cannot take its place.

        Raises:
            ChannelError: another move holds the lock for too long, or the disk refused.
        """
        with self._locked():
            state = self.read()
            failed = failed_in_probation(self.history())
            back = state.previous
            if state.champion != version or version in failed or back is None or back in failed:
                return None
            if back not in self._store.versions():
                return None
            update: dict[str, str | None] = {"champion": back, "previous": version}
            return self._move(state, "rollback", back, update, who=PROBATION, why=why, verdict="served before").move

    def prune(
        self, choose: Callable[[ChannelState], Iterable[str]], remove: Callable[[str], None], *, who: str, why: str
    ) -> list[str]:
        """Remove releases while no channel can move; each has its line in the journal before it goes.

        Args:
            choose: which ones, given what the channels name; those that a channel names are left in any case.
            remove: removes one from the store.
            who: the person or flow run that asks.
            why: the rule, for the journal.

        Returns:
            What was removed.

        Raises:
            ChannelError: another move holds the lock for too long, or one cannot be removed.
        """
        removed = []
        with self._locked():
            state = self.read()
            for version in choose(state):
                if not state.names(version):
                    state = self._move(state, "prune", version, {}, who=who, why=why, verdict="named by no channel")
                    try:
                        remove(version)
                    except OSError as error:
                        raise ChannelError(f"{version} cannot be removed: {error}") from error
                    removed.append(version)
        return removed

    def _move(
        self,
        state: ChannelState,
        action: Action,
        version: str,
        update: dict[str, str | None],
        *,
        who: str,
        why: str,
        verdict: str,
    ) -> ChannelState:
        try:
            self._complete_journal(state)
        except OSError as error:
            raise ChannelError(f"{action} of {version}: {error}") from error
        move = Move(
            sequence=state.sequence + 1,
            when=datetime.now(UTC).isoformat(timespec="milliseconds"),
            action=action,
            release=version,
            replaces={"propose": state.candidate, "prune": None}.get(action, state.champion),
            who=who,
            why=why,
            verdict=verdict,
        )
        moved = state.model_copy(update={**update, "sequence": move.sequence, "move": move})
        try:
            write_atomically(self.path, moved.model_dump_json(indent=2).encode() + b"\n")
        except OSError as error:
            raise ChannelError(f"{action} of {version}: {error}") from error
        try:
            self._complete_journal(moved)
        except OSError as error:
            # The channels have moved: to call it failed would be a lie. The next move writes this line, or is refused.
            logger.warning("%s of %s: its line in the journal has to wait: %s", action, version, error)
        return moved

    def _complete_journal(self, state: ChannelState) -> None:
        """Append the last move if the journal lacks it; the file is ahead of the journal, never behind."""
        if state.move is not None and self._journal.last_sequence() < state.sequence:
            self._journal.append(state.move)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.path.with_suffix(".lock"), timeout=_LOCK_SECONDS):
                yield
        except Timeout as error:
            raise ChannelError(f"another process has held {self.path} for {_LOCK_SECONDS:g} s") from error


def _is_settled(moves: list[Move], version: str, who: str) -> bool:
    """Whether `who` has promoted this release already and nobody took it back, or it failed in its probation."""
    own = [move for move in moves if move.release == version and move.who == who and move.action in ("promote", "undo")]
    return (bool(own) and own[-1].action == "promote") or version in failed_in_probation(moves)
