"""Promotion: what is checked before a release becomes the champion."""

from __future__ import annotations

from collections.abc import Callable

from service.release.channels import Channels, ChannelState
from service.release.home import Home
from service.release.integrity import verify_release
from service.release.journal import Move
from service.release.notice import tell
from service.release.store import ReleaseStore
from service.runtime import Runtime


def promote_retrained(home: Home, version: str, *, who: str, gate: bool) -> tuple[ChannelState, str]:
    """Promote what a retraining published, or leave it as the candidate where it did not pass the gate.

    Asked again, it changes nothing: what this retraining has promoted stays promoted, and is not promoted a second time
    where the champion has gone on since, or where the release failed in its probation.

    Args:
        home: where it is published.
        version: which.
        who: for the journal.
        gate: whether a release that did not pass stays a candidate; else its verdict is told, and it is promoted.

    Returns:
        The channels, and what was done, for people.

    Raises:
        ReleaseError, GoldenMismatchError: as `promote_release`.
    """
    verdict = ReleaseStore(home).manifest(version).gate
    why = "; ".join(verdict.reasons) if verdict is not None else "not compared"
    passed = verdict is None or verdict.passed
    if gate and not passed:
        state = Channels(home).propose(version, who=who, why="retrained", verdict=f"did not pass the gate: {why}")
        return state, f"champion stays {state.champion}: {version} did not pass the gate: {why}"
    why = f"retrained; gate {'passed' if passed else 'overruled'}: {why}"
    state = promote_release(home, version, who=who, why=why, by_itself=True)
    if state.champion != version:
        return state, f"champion stays {state.champion}: {version} was promoted before, or failed in its probation"
    return state, f"champion {state.champion}"


def promote_release(
    home: Home, version: str, *, who: str, why: str, by_itself: bool = False, notice: Callable[[Move], None] = tell
) -> ChannelState:
    """Verify every file of a release, reproduce its golden batch through the service's own runtime, make it the
    champion, and tell of it: all four, or the champion is as it was.

    Args:
        home: where it is published.
        version: which.
        who: for the journal.
        why: for the journal.
        by_itself: no person asks; see `Channels.promote`.
        notice: tells people.

    Raises:
        ReleaseError: it does not exist, is damaged, or `notice` raised; the champion is as it was.
        GoldenMismatchError: its encoder or decoder does not give the answers recorded when it was made.
    """
    folder = ReleaseStore(home).folder(version)
    manifest = verify_release(folder)
    runtime = Runtime.load(folder, manifest, device="auto")
    runtime.reproduce_golden()
    checked = f"{len(manifest.files)} files verified, golden batch of {manifest.golden.rows} reproduced"
    verdict = f"{checked} on {runtime.device}"
    return Channels(home).promote(version, who=who, why=why, verdict=verdict, by_itself=by_itself, then=notice)
