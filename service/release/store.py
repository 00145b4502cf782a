"""Releases in BentoML's model store, published whole or not at all.

BentoML itself copies a model into its place file by file, where readers already see it. Here a release is
written aside, completed with BentoML's own `model.yaml`, hashed, fsynced, and renamed into the store.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.release.atomic import remove_folder, replace_folder, write_atomically
from service.release.errors import PublishError, UnknownReleaseError
from service.release.home import MODEL_NAME, Home
from service.release.integrity import digest_files
from service.release.manifest import MANIFEST_DIGEST_FILE, MANIFEST_FILE, Manifest, read_manifest


class ReleaseStore:
    """All releases below one home.

    Args:
        home: where the store lies; it need not exist yet.
    """

    def __init__(self, home: Home) -> None:
        self.home = home

    def versions(self) -> list[str]:
        """The versions of all published releases, oldest first."""
        if not self.home.store.is_dir():
            return []
        return sorted(entry.name for entry in self.home.store.iterdir() if entry.is_dir() and entry.name[0] != ".")

    def folder(self, version: str) -> Path:
        """The folder of a release.

        Raises:
            UnknownReleaseError: there is none of that version; the message names those there are.
        """
        if version not in self.versions():
            known = ", ".join(self.versions()[-5:]) or "none yet; `manifold train` makes one"
            raise UnknownReleaseError(f"release {version!r} is not in {self.home.store}; there are: {known}")
        return self.home.store / version

    def manifest(self, version: str) -> Manifest:
        """The manifest of a release.

        Raises:
            UnknownReleaseError: there is none of that version.
            ManifestError: its manifest is damaged.
        """
        return read_manifest(self.folder(version))

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """A new folder to write a release into; what is not published by the end is removed.

        Raises:
            PublishError: the folder cannot be made or written, the disk being full for example.
        """
        self._sweep_staging()
        folder = self.home.staging / f"{os.getpid()}-{uuid.uuid4().hex}"
        try:
            folder.mkdir(parents=True)
            yield folder
        except OSError as error:
            raise PublishError(f"the release was not published, nothing of it is left: {error}") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, draft: Path, manifest: Manifest) -> Manifest:
        """Complete a draft with `model.yaml` and its manifest, and make it visible in one step.

        Args:
            draft: a folder from `draft()`, with all files of the release in it.
            manifest: what the release states; `files` is filled in here.

        Returns:
            The manifest as published, with the sha256 of every file.

        Raises:
            PublishError: the version exists already, or the disk refused; the store is as it was.
        """
        final = self.home.store / manifest.version
        try:
            _write_model_yaml(draft, manifest)
            manifest = manifest.model_copy(update={"files": digest_files(draft)})
            content = manifest.to_bytes()
            (draft / MANIFEST_FILE).write_bytes(content)
            (draft / MANIFEST_DIGEST_FILE).write_text(hashlib.sha256(content).hexdigest() + "\n", "ascii")
            replace_folder(draft, final)
            write_atomically(self.home.store / "latest", manifest.version.encode())
        except OSError as error:
            raise PublishError(f"release {manifest.version} was not published: {error}") from error
        return manifest

    def remove(self, version: str) -> None:
        """Remove a release; the caller knows that no channel names it.

        Raises:
            UnknownReleaseError: there is none of that version.
        """
        folder = self.folder(version)
        self.home.staging.mkdir(parents=True, exist_ok=True)
        remove_folder(folder, aside=self.home.staging / f"{os.getpid()}-{uuid.uuid4().hex}")

    def _sweep_staging(self) -> None:
        if not self.home.staging.is_dir():
            return
        for folder in self.home.staging.iterdir():
            owner = folder.name.partition("-")[0]
            if owner.isdecimal() and not _is_alive(int(owner)):
                shutil.rmtree(folder, ignore_errors=True)


def _write_model_yaml(draft: Path, manifest: Manifest) -> None:
    # BentoML reads this variable once, when it is imported; only this exact word stops its telemetry.
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
    import bentoml
    from bentoml._internal.models import ModelStore

    aside = draft.with_name(f"{draft.name}-bentoml")
    try:
        (aside / MODEL_NAME).mkdir(parents=True)
        with bentoml.models.create(
            f"{MODEL_NAME}:{manifest.version}",
            labels={"kind": manifest.kind, "space": manifest.space_id},
            metadata={"data": manifest.data.fingerprint, "code_size": manifest.code.size},
            _model_store=ModelStore(aside),
        ):
            pass
        shutil.copyfile(aside / MODEL_NAME / manifest.version / "model.yaml", draft / "model.yaml")
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
