"""A new champion that fails in service is rolled back by itself, once.

Workers only write down what they see (`service.release.serving`). Here it is judged, by whoever may move the channels
and looks first: a worker itself, or `manifold releases watch`. Both decide by the same files, and under the channels'
lock, so that there is one rollback however many look. docs/decisions/0017 says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from service.release.channels import Channels
from service.release.home import Home
from service.release.journal import Move, failed_in_probation
from service.release.notice import tell
from service.release.policy import ReleasePolicy
from service.release.serving import Observation, ServingRecords

# A release may be half copied, or the disk away for a moment: what a second try cures is no failure.
_TRIES = 2


def end_failed_probation(
    home: Home, policy: ReleasePolicy, *, now: datetime | None = None, seen: Sequence[Observation] = ()
) -> Move | None:
    """Roll the champion back if it is on probation and has failed, and tell of it.

    Args:
        home: where channels and workers' files lie.
        policy: how long a probation is, and what failing is.
        now: for tests; else the clock.
        seen: what the caller has seen itself, where it could not be written.

    Returns:
        The rollback, for whoever made it; None where there was none to make.

    Raises:
        ChannelError: the channels cannot be read or moved.
        OSError: they cannot be written here.
    """
    now = now or datetime.now(UTC)
    channels = Channels(home)
    own = {observation.worker for observation in seen}
    observations = [*seen, *(each for each in ServingRecords(home).fresh(now) if each.worker not in own)]
    version = on_probation(channels.history(), policy, observations, now)
    if version is None:
        return None
    why = why_failed(version, policy, observations)
    if why is None:
        return None
    move = channels.roll_back_failed(version, why=why)
    if move is not None:
        tell(move)
    return move


def on_probation(
    moves: Iterable[Move], policy: ReleasePolicy, observations: Iterable[Observation], now: datetime
) -> str | None:
    """The champion, if it is on probation.

    A probation begins with a promotion in another's place, and ends by the clock, or when a worker has seen the
    release named for so long: a clock that was moved back makes it no longer. A release that was rolled back in its
    probation has none again: who promotes it after that, overrules.
    """
    moves = list(moves)
    last = next((move for move in reversed(moves) if move.action in ("promote", "rollback", "undo")), None)
    if last is None or last.action != "promote" or last.replaces is None:
        return None
    if last.release in failed_in_probation(moves):
        return None
    age = (now - datetime.fromisoformat(last.when)).total_seconds()
    watched = max((each.watched_seconds for each in observations if each.champion == last.release), default=0.0)
    return None if max(age, watched) >= policy.probation_seconds else last.release


def why_failed(version: str, policy: ReleasePolicy, observations: Iterable[Observation]) -> str | None:
    """Why a release has failed in service, for people; None where it has not."""
    observations = list(observations)
    for each in observations:
        refused = each.refused
        if refused is not None and refused.release == version and (refused.golden or refused.tries >= _TRIES):
            return f"worker {each.worker} could not take it: {refused.message}"
    requests = sum(each.requests for each in observations if each.release == version)
    failures = sum(each.failures for each in observations if each.release == version)
    if requests >= policy.probation_requests and failures > policy.probation_error_share * requests:
        share, allowed = 100 * failures / requests, 100 * policy.probation_error_share
        return f"{failures} of {requests} requests failed, {share:.3g} %; {allowed:g} % may"
    return None
