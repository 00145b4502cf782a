"""What this worker sees of the champion, written down for whoever judges it; and judged, where this worker may.

A worker writes `MANIFOLD_HOME/serving/<worker>.json` when something changed, and every `_BEAT_SECONDS`. Where it may
not write, the home being mounted read-only, it serves all the same, and others judge by what they see.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from service.champion import Champion
from service.release.channels import Channels
from service.release.errors import ReleaseError
from service.release.probation import end_failed_probation
from service.release.serving import Observation, Refusal, ServingRecords, this_worker
from service.settings import Settings

logger = logging.getLogger("bentoml.manifold")

_BEAT_SECONDS = 5.0
# Of requests that began before a swap.
_KEPT_RELEASES = 4


@dataclass
class Outcome:
    """How the requests of one release ended."""

    requests: int = 0
    failures: int = 0


class Outcomes:
    """How requests ended, by the release that was live when they came. Noted in the event loop, read in a thread."""

    def __init__(self) -> None:
        self._champion: Champion | None = None
        self._by_release: dict[str, Outcome] = {}

    def follow(self, champion: Champion) -> None:
        """Count for what is live there."""
        self._champion = champion

    def live(self) -> str | None:
        """The release that answers now."""
        champion = self._champion
        return champion.live().release if champion is not None and champion.is_live else None

    def note(self, release: str, *, failed: bool) -> None:
        """Count an answered request."""
        outcome = self._by_release.setdefault(release, Outcome())
        outcome.requests += 1
        outcome.failures += failed
        while len(self._by_release) > _KEPT_RELEASES:
            self._by_release.pop(next(iter(self._by_release)), None)

    def of(self, release: str | None) -> Outcome:
        """The counts of one release."""
        return self._by_release.get(release or "", Outcome())

    def begin(self, release: str | None) -> None:
        """Forget what was counted when this release was live before."""
        self._by_release.pop(release or "", None)


class Watch:
    """Writes down how the live release does, and rolls a champion back that fails in its probation.

    Args:
        settings: home, probation, how often to look.
        champion: of this worker.
        outcomes: of its requests.
    """

    def __init__(self, settings: Settings, champion: Champion, outcomes: Outcomes) -> None:
        self._settings = settings
        self._champion = champion
        self._outcomes = outcomes
        outcomes.follow(champion)
        self._channels = Channels(settings.at)
        self._records = ServingRecords(settings.at)
        self._worker = this_worker()
        self._told: set[str] = set()
        self._release: str | None = None
        self._since: datetime | None = None
        self._named: str | None = None
        self._named_at = time.monotonic()
        self._seen: tuple[object, ...] = ()
        self._next_beat = 0.0
        self._closed = False

    async def follow(self) -> None:
        """Look, for ever; runs as a task beside the requests."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(self._settings.poll_seconds)

    def close(self) -> None:
        """Take this worker's file away: it serves no more."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._records.remove(self._worker)

    def look(self) -> None:
        """Look once: write down what changed, or that nothing did for a while, and judge where something failed."""
        champion = self._champion
        live = self._outcomes.live()
        if live != self._release:
            self._release, self._since = live, datetime.now(UTC)
            self._outcomes.begin(live)
        seen = (live, champion.failure, champion.tries, self._outcomes.of(live).failures)
        if self._closed or (seen == self._seen and time.monotonic() < self._next_beat):
            return
        self._seen = seen
        self._next_beat = time.monotonic() + _BEAT_SECONDS
        try:
            observation = self._observe()
            self._write(observation)
            if self._settings.probation_seconds > 0 and (observation.refused is not None or observation.failures > 0):
                end_failed_probation(self._settings.at, self._settings, seen=[observation])
        except (ReleaseError, OSError) as error:
            self._tell_once(f"the champion of a failed probation cannot be rolled back from here: {error}")

    def _observe(self) -> Observation:
        named = self._channels.read().champion
        if named != self._named:
            self._named, self._named_at = named, time.monotonic()
        outcome = self._outcomes.of(self._release)
        return Observation(
            worker=self._worker,
            beat=datetime.now(UTC),
            champion=named,
            watched_seconds=time.monotonic() - self._named_at,
            release=self._release,
            since=self._since,
            requests=outcome.requests,
            failures=outcome.failures,
            refused=self._refusal(),
        )

    def _refusal(self) -> Refusal | None:
        failure = self._champion.failure
        if failure is None or failure.release is None or failure.kind == "device":
            return None
        return Refusal(
            release=failure.release,
            message=failure.message,
            golden=failure.kind == "golden",
            tries=max(1, self._champion.tries),
        )

    def _write(self, observation: Observation) -> None:
        # A home that is not there yet is made by who trains, not by who looks for it.
        if not self._settings.home.is_dir():
            return
        try:
            self._records.write(observation)
        except OSError as error:
            self._tell_once(f"what this worker serves cannot be written down, so that pruning cannot know it: {error}")

    def _tell_once(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            logger.warning("%s", message)
