"""Where a release, or a vector's space, comes from: its manifest, those of its parents, and back.

What was pruned is told too: its manifest is kept (`service.release.pruning`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from service.release.errors import ManifestError, UnknownReleaseError
from service.release.home import Home
from service.release.manifest import Manifest, read_manifest
from service.release.store import ReleaseStore


@dataclass(frozen=True)
class Known:
    """A release that is known here, and whether it is still in the store."""

    manifest: Manifest
    stored: bool


class Lineage:
    """All releases that this home has ever published and whose manifest is whole.

    Args:
        home: where they lie, or lay.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._store = ReleaseStore(home)
        self.damaged: list[str] = []
        self._known = {known.manifest.version: known for known in self._read()}

    def of(self, name: str) -> list[Known]:
        """The releases of a version or a space, oldest first.

        Args:
            name: a version, or a space id as vectors carry it, also that of an inner layer (`.../depth-1`).

        Raises:
            UnknownReleaseError: there is and was none.
        """
        if name in self._known:
            return [self._known[name]]
        found = self.find(space=name)
        if not found:
            damaged = f"; {', '.join(self.damaged)} cannot be read" if self.damaged else ""
            raise UnknownReleaseError(f"{name!r} is neither a release nor a space that is known here{damaged}")
        return found

    def find(self, *, data: str = "", flow_run: str = "", space: str = "") -> list[Known]:
        """The releases made from this data, by this run, of this space, oldest first.

        Args:
            data: the beginning of a data fingerprint.
            flow_run: the beginning of a flow run's id.
            space: a space id, also that of an inner layer.
        """
        outer = space.partition("/")[0]
        return [
            known
            for known in self._known.values()
            if known.manifest.data.fingerprint.startswith(data)
            and (known.manifest.flow_run or "").startswith(flow_run)
            and outer in ("", known.manifest.space_id)
        ]

    def parents(self, manifest: Manifest) -> list[Known | str]:
        """The champions before it, the nearest first; the last is a version alone where nothing is known of it."""
        chain: list[Known | str] = []
        seen = {manifest.version}
        above = manifest.parent
        while above is not None and above not in seen:
            seen.add(above)
            known = self._known.get(above)
            chain.append(above if known is None else known)
            above = None if known is None else known.manifest.parent
        return chain

    def _read(self) -> Iterator[Known]:
        stored = self._store.versions()
        pruned = [path.name for path in self._home.pruned.glob("[!.]*")] if self._home.pruned.is_dir() else []
        for version in sorted({*stored, *pruned}):
            folder = (self._home.store if version in stored else self._home.pruned) / version
            try:
                yield Known(read_manifest(folder), version in stored)
            except ManifestError:
                self.damaged.append(version)
