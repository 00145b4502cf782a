"""Files and folders that appear whole or not at all: written aside, fsynced, renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.release.drafts import draft_of


def write_atomically(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Put `data` at `path` so that a reader sees the old content or the new, never a part.

    Args:
        path: where; folders that lack are made.
        data: the whole content.
        mode: who may read it, from its first byte on; by default as the umask says.

    Raises:
        OSError: the disk refused; `path` is as it was and nothing is left beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with draft_of(path, Path.touch) as aside:
        try:
            if mode is not None:
                aside.chmod(mode)
            with aside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
    sync_folder(path.parent)


def replace_folder(staging: Path, final: Path) -> None:
    """Make the finished folder `staging` visible as `final`, which must not exist; both on one file system.

    Raises:
        FileExistsError: `final` is there already.
        OSError: the disk refused; `final` is not there.
    """
    if final.exists():
        raise FileExistsError(f"{final} exists already")
    sync_tree(staging)
    final.parent.mkdir(parents=True, exist_ok=True)
    try:
        staging.rename(final)
    except OSError as error:
        # Somebody else was there between the look above and the rename.
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise FileExistsError(f"{final} exists already") from error
        raise
    sync_folder(final.parent)


@contextmanager
def folder_in_one_step(final: Path) -> Iterator[Path]:
    """Yield an empty folder to write into; it becomes `final` when the block ends well, else nothing is left.

    A `final` that somebody else finished meanwhile stays as it is: what is written this way is named by its
    content.

    Raises:
        OSError: the disk refused; `final` is not there.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    with draft_of(final, Path.mkdir) as aside:
        try:
            yield aside
            with contextlib.suppress(FileExistsError):
                replace_folder(aside, final)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def remove_folder(folder: Path, *, aside: Path) -> None:
    """Remove `folder` so that nobody meets half of it: renamed to `aside` first, then deleted there."""
    folder.rename(aside)
    shutil.rmtree(aside)


def sync_tree(folder: Path) -> None:
    """fsync every file and folder below `folder`, deepest first."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            with Path(parent, name).open("rb") as file:
                os.fsync(file.fileno())
        sync_folder(Path(parent))


def sync_folder(folder: Path) -> None:
    """fsync a folder, so that a rename in it survives a power cut; a no-op where folders cannot be opened."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
