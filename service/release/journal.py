"""The journal: every move of a channel, a JSON line each, oldest first. Who writes to it holds the channels' lock."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from service.release.atomic import sync_folder
from service.release.errors import ChannelError

PROBATION: Final = "probation"
"""Who rolled back a release that failed in its probation; see `service.release.probation`."""

Action = Literal["promote", "rollback", "propose", "undo", "prune"]


class Move(BaseModel):
    """One line of the journal.

    `undo` names the release whose promotion was taken back, `prune` one that was removed from the store.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sequence: int
    when: str
    action: Action
    release: str
    replaces: str | None
    who: str
    why: str
    verdict: str


class Journal:
    """The file of one home.

    Args:
        path: of the file; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def moves(self) -> list[Move]:
        """Every whole line.

        Raises:
            ChannelError: a line is not a move.
        """
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        try:
            return [Move.model_validate_json(line) for line in whole.splitlines()]
        except ValidationError as error:
            raise ChannelError(f"{self._path} has a line that is not a move: {error}") from error

    def last_sequence(self) -> int:
        """The number of the last move; 0 before the first.

        Raises:
            ChannelError: a line is not a move.
        """
        moves = self.moves()
        return moves[-1].sequence if moves else 0

    def append(self, move: Move) -> None:
        """Write a move behind the others, for good.

        A last line without its end is cut off: a crash while appending; its move is appended again.

        Raises:
            OSError: the disk refused; what is there of the line has no end.
        """
        if self._path.exists():
            with self._path.open("rb+") as file:
                content = file.read()
                file.truncate(content.rfind(b"\n") + 1)
        with self._path.open("ab") as file:
            file.write(move.model_dump_json().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self._path.parent)


def failed_in_probation(moves: Iterable[Move]) -> set[str]:
    """The releases that were rolled back because they failed in their probation."""
    return {move.replaces for move in moves if move.action == "rollback" and move.who == PROBATION and move.replaces}
