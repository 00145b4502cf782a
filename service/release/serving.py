"""What the workers of services say of themselves, a small file each: which release they have loaded, how it does.

A worker renews its file every few seconds and removes it when it stops. A file that was not renewed for
`STALE_SECONDS` is that of a worker that died. Where the clock was moved back, files seem to come from the future:
they count as fresh, so that no release is taken for unused.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from service.release.atomic import write_atomically
from service.release.drafts import remove_abandoned
from service.release.home import Home

STALE_SECONDS = 300.0


class Refusal(BaseModel):
    """A champion that a worker could not take."""

    model_config = ConfigDict(frozen=True)

    release: str
    message: str
    golden: bool = Field(description="it gave other answers than it should: no second try changes that")
    tries: int = Field(ge=1, description="how often in a row it could not be taken")


class Observation(BaseModel):
    """What one worker says."""

    model_config = ConfigDict(frozen=True)

    worker: str
    beat: AwareDatetime = Field(description="when it was written")
    champion: str | None = Field(description="what the channel named then")
    watched_seconds: float = Field(ge=0, description="how long this worker has seen it named, by no clock that is set")
    release: str | None = Field(default=None, description="what it has loaded and answers with")
    since: AwareDatetime | None = Field(default=None, description="when that became live")
    requests: int = Field(default=0, ge=0, description="answered by it")
    failures: int = Field(default=0, ge=0, description="of these, with a 5xx")
    refused: Refusal | None = None


def this_worker() -> str:
    """A name that no other living worker has: containers have process numbers of their own, but other host names."""
    return f"{re.sub(r'[^A-Za-z0-9._-]', '_', socket.gethostname())}-{os.getpid()}"


class ServingRecords:
    """The files of all workers that serve from one home."""

    def __init__(self, home: Home) -> None:
        self._folder = home.serving

    def write(self, observation: Observation) -> None:
        """Put one worker's file in place of its last.

        Raises:
            OSError: the disk refused, the home being read-only for example.
        """
        path = self._folder / f"{observation.worker}.json"
        write_atomically(path, observation.model_dump_json(indent=2).encode() + b"\n")

    def remove(self, worker: str) -> None:
        """Take away the file of a worker that stops."""
        (self._folder / f"{worker}.json").unlink(missing_ok=True)

    def fresh(self, now: datetime | None = None) -> list[Observation]:
        """What the living workers say, by their names; what cannot be read is none of ours."""
        now = now or datetime.now(UTC)
        found = []
        for path in sorted(self._folder.glob("[!.]*.json")):
            with contextlib.suppress(OSError, ValidationError):
                observation = Observation.model_validate_json(path.read_bytes())
                if (now - observation.beat).total_seconds() <= STALE_SECONDS:
                    found.append(observation)
        return found

    def loaded(self, now: datetime | None = None) -> set[str]:
        """The releases that living workers have loaded."""
        return {each.release for each in self.fresh(now) if each.release is not None}

    def sweep(self, now: datetime | None = None) -> None:
        """Remove the files of workers that died."""
        living = {observation.worker for observation in self.fresh(now)}
        for path in self._folder.glob("[!.]*.json"):
            if path.stem not in living:
                path.unlink(missing_ok=True)
                remove_abandoned(path)
