"""Promotion: what is checked before a release becomes the champion."""

from __future__ import annotations

from service.release.channels import Channels, ChannelState
from service.release.home import Home
from service.release.integrity import verify_release
from service.release.store import ReleaseStore
from service.runtime import Runtime


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
