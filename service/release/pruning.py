"""Removes old releases by a rule that never takes one that is needed.

Needed is what a channel names (so also what is on probation, and what it would be rolled back to), what a living
worker has loaded, what is among the newest, and what is young. The manifest of a removed release stays below
`MANIFOLD_HOME/pruned`: vectors outlive releases, and their space must still be told.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from service.release.atomic import folder_in_one_step
from service.release.channels import Channels, ChannelState
from service.release.errors import ManifestError
from service.release.home import Home
from service.release.manifest import MANIFEST_DIGEST_FILE, MANIFEST_FILE
from service.release.serving import ServingRecords
from service.release.store import ReleaseStore


def prunable(home: Home, state: ChannelState, *, keep: int, older_than: timedelta, now: datetime) -> Iterator[str]:
    """The releases that nothing needs, oldest first.

    Args:
        home: where they lie.
        state: what the channels name.
        keep: how many of the newest are kept.
        older_than: younger ones are kept.
        now: by which they are so old.
    """
    store = ReleaseStore(home)
    versions = store.versions()
    needed = ServingRecords(home).loaded(now) | set(versions[len(versions) - keep :] if keep else ())
    for version in versions:
        if version in needed or state.names(version):
            continue
        try:
            created = datetime.fromisoformat(store.manifest(version).created)
        except (ManifestError, ValueError):
            # How old it is cannot be known, and what is damaged somebody may want to look at.
            continue
        if now - created >= older_than:
            yield version


def prune_releases(home: Home, *, keep: int, older_than: timedelta, who: str, now: datetime | None = None) -> list[str]:
    """Remove the releases that nothing needs; each has its line in the journal.

    Args:
        home: where they lie.
        keep: how many of the newest are kept.
        older_than: younger ones are kept.
        who: the person or flow run that asks.
        now: for tests; else the clock.

    Returns:
        What was removed, oldest first.

    Raises:
        ChannelError: a move holds the lock for too long, or a release cannot be removed.
    """
    now = now or datetime.now(UTC)
    store = ReleaseStore(home)

    def remove(version: str) -> None:
        folder = store.folder(version)
        with folder_in_one_step(home.pruned / version) as kept:
            for name in (MANIFEST_FILE, MANIFEST_DIGEST_FILE):
                shutil.copyfile(folder / name, kept / name)
        store.remove(version)

    def choose(state: ChannelState) -> list[str]:
        return list(prunable(home, state, keep=keep, older_than=older_than, now=now))

    why = f"older than {older_than / timedelta(days=1):g} days, and not among the newest {keep}"
    removed = Channels(home).prune(choose, remove, who=who, why=why)
    ServingRecords(home).sweep(now)
    return removed
