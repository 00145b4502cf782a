"""Is a release exactly what was published?"""

from __future__ import annotations

import hashlib
from pathlib import Path

from service.release.errors import IntegrityError
from service.release.manifest import MANIFEST_DIGEST_FILE, MANIFEST_FILE, Manifest, read_manifest

_UNLISTED = {MANIFEST_FILE, MANIFEST_DIGEST_FILE}


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_files(folder: Path) -> dict[str, str]:
    """Path below `folder` -> sha256, for every file that a manifest must list.

    Raises:
        IntegrityError: something in the folder is neither a plain file nor a folder.
    """
    digests: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise IntegrityError(f"release {folder.name}: {name} is not a plain file")
        if path.is_file() and name not in _UNLISTED:
            digests[name] = sha256_of(path)
    return digests


def verify_release(folder: Path) -> Manifest:
    """Check every file of a release against its manifest, and give the manifest.

    Raises:
        ManifestError: the manifest itself is missing, changed or of another schema.
        IntegrityError: a file is missing, changed, or there is one too many; the message names it.
    """
    manifest = read_manifest(folder)
    if manifest.version != folder.name:
        raise IntegrityError(f"release {folder.name}: its manifest is that of {manifest.version}")
    found = digest_files(folder)
    for name, stated in manifest.files.items():
        if name not in found:
            raise IntegrityError(f"release {folder.name}: {name} is missing")
        if found[name] != stated:
            raise IntegrityError(f"release {folder.name}: {name} has sha256 {found[name]}, expected {stated}")
    for name in found:
        if name not in manifest.files:
            raise IntegrityError(f"release {folder.name}: {name} is not listed in its manifest")
    return manifest
