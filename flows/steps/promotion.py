"""Promotion: what is checked before a release becomes the champion."""

from __future__ import annotations

from service.release.channels import Channels, ChannelState
from service.release.home import Home
from service.release.integrity import verify_release
from service.release.store import ReleaseStore
from service.runtime import Runtime


def promote_retrained(home: Home, version: str, *, who: str, gate: bool) -> tuple[ChannelState, str]:
    """Promote what a retraining published, or leave it as the candidate where it did not pass the gate.

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
    state = promote_release(home, version, who=who, why=f"retrained; gate {'passed' if passed else 'overruled'}: {why}")
    return state, f"champion {state.champion}"


def promote_release(home: Home, version: str, *, who: str, why: str) -> ChannelState:
    """Check every file of a release and its golden batch through the service's own runtime, then promote it.

    Raises:
        ReleaseError: it does not exist, or is damaged; the champion is as it was.
        GoldenMismatchError: its encoder or decoder does not give the answers recorded when it was made.
    """
    folder = ReleaseStore(home).folder(version)
    manifest = verify_release(folder)
    runtime = Runtime.load(folder, manifest, device="auto")
    runtime.reproduce_golden()
    verdict = f"{len(manifest.files)} files verified, golden batch of {manifest.golden.rows} reproduced"
    return Channels(home).promote(version, who=who, why=why, verdict=f"{verdict} on {runtime.device}")
