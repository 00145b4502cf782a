"""Whether a retraining would make the release that is there already."""

from __future__ import annotations

from pydantic import ValidationError

from models.recipe import Recipe
from service.release.channels import Channels
from service.release.errors import ReleaseError
from service.release.home import Home
from service.release.integrity import verify_release
from service.release.journal import Move
from service.release.manifest import Manifest
from service.release.store import ReleaseStore

# Changes neither a weight nor what the gate says.
_IRRELEVANT = {"name"}


def unchanged_release(home: Home, source: str, fingerprint: str, recipe: Recipe, *, promote: bool) -> str | None:
    """The release that learning from this data by this recipe would make again; None where it is worth doing.

    The champion counts, and the last release that this recipe made of this source: not any older one, or a source that
    is put back as it was would stay behind what it wrongly held meanwhile. A damaged release does not count, nor one
    that nobody has decided on: its run was killed between publication and promotion, or the promotion was undone.

    Args:
        home: where releases lie.
        source: what the source is called.
        fingerprint: of the dataset as it would be prepared now.
        recipe: what would be trained.
        promote: whether the run is to decide what becomes of its release.

    Raises:
        ChannelError: the channels or their journal cannot be read.
    """
    channels = Channels(home)
    champion = channels.read().champion
    decided = _decided(channels.journal())
    for manifest in _candidates(home, source, recipe, champion):
        settled = manifest.version in decided or not promote
        if manifest.data.fingerprint == fingerprint and settled and _is_whole(home, manifest.version):
            return manifest.version
    return None


def _decided(moves: list[Move]) -> set[str]:
    """The releases that were promoted, or left as candidates, and this was not taken back."""
    decided: set[str] = set()
    for move in moves:
        (decided.discard if move.action == "undo" else decided.add)(move.release)
    return decided


def _candidates(home: Home, source: str, recipe: Recipe, champion: str | None) -> list[Manifest]:
    """The champion and the newest of the source, as far as the recipe made them."""
    store, found = ReleaseStore(home), []
    latest = None
    for version in reversed(store.versions()):
        if latest is not None and version != champion:
            continue
        try:
            manifest = store.manifest(version)
        except ReleaseError:
            continue
        if not _same(manifest, recipe):
            continue
        if latest is None and manifest.data.source == source:
            latest = manifest
            found.append(manifest)
        elif version == champion:
            found.append(manifest)
    return found


def _same(manifest: Manifest, recipe: Recipe) -> bool:
    try:
        stated = Recipe.model_validate(manifest.recipe)
    except ValidationError:
        # Of a version of before, or of a later one.
        return False
    return stated.model_dump(exclude=_IRRELEVANT) == recipe.model_dump(exclude=_IRRELEVANT)


def _is_whole(home: Home, version: str) -> bool:
    try:
        verify_release(ReleaseStore(home).folder(version))
    except ReleaseError:
        return False
    return True
