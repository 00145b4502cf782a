"""A source that was there and has gone, cannot be read any more, or has shrunk to nothing: one plain line each."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.steps.datasets import Dataset, demand_source
from flows.steps.errors import BadDataError, DatasetError, SourceError

Prepare = Callable[..., Dataset]


@contextmanager
def somebody_else(folder: Path) -> Iterator[None]:
    """Whoever may not look into `folder`."""
    mode = folder.stat().st_mode
    folder.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(mode)


def vanish(source: Path) -> str:
    for path in sorted(source.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    source.rmdir()
    return "is neither there nor a known name"


def unmount(source: Path) -> str:
    vanish(source)
    source.mkdir()
    return "empty folder"


def dangle(source: Path) -> str:
    vanish(source)
    source.symlink_to(source.with_name("nowhere"))
    return "is neither there nor a known name"


def loop(source: Path) -> str:
    vanish(source)
    source.symlink_to(source)
    return "is neither there nor a known name"


def empty_files(source: Path) -> str:
    for path in source.rglob("*.png"):
        path.write_bytes(b"")
    return "corrupt or unreadable images"


def leave_one_label_of_three_images(source: Path) -> str:
    for path in sorted(source.rglob("*.png"))[3:]:
        path.unlink()
    return "too few rows"


@pytest.mark.parametrize(
    "lose",
    [vanish, unmount, dangle, loop, empty_files, leave_one_label_of_three_images],
    ids=lambda lose: lose.__name__,
)
def test_a_folder_that_was_lost_is_told_and_the_dataset_of_before_stays(
    prepare: Prepare, photos: Path, home: Path, lose: Callable[[Path], str]
) -> None:
    before = prepare(photos)
    complaint = lose(photos)

    with pytest.raises(DatasetError, match=complaint):
        prepare(photos, skip_bad=lose is leave_one_label_of_three_images)

    left = [path for path in (home / "datasets").iterdir() if path.is_dir()]
    assert left == [before.folder]


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX permissions: run it on Linux or macOS")
@pytest.mark.parametrize("below", [".", "cat"])
def test_a_source_that_may_not_be_read_is_told_in_one_line(photos: Path, below: str) -> None:
    # Not below pytest's own folder, into which nobody else may look at all.
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        source = Path(shutil.copytree(photos, Path(place, "photos")))
        with somebody_else(source), pytest.raises(SourceError, match=r"cannot be read: .*Permission denied") as refused:
            demand_source(str(source / below), None)

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("source", ["x" * 300, "~nobody-of-that-name/rows.npy"])
def test_a_name_that_no_file_can_have_is_told_in_one_line(source: str) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        demand_source(source, None)


@pytest.mark.parametrize("name", ["rows.npy", "rows.npz", "rows.parquet", "rows.csv", "parts"])
def test_a_file_without_rows_is_told(prepare: Prepare, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "rows.npy":
        np.save(path, np.empty((0, 4)))
    elif name == "rows.npz":
        np.savez(path, x=np.empty((0, 4)))
    elif name == "rows.parquet":
        pq.write_table(pa.table({"a": pa.array([], pa.float64())}), path)
    elif name == "rows.csv":
        path.write_text("a,b\n")
    else:
        path.mkdir()
        (path / "1.csv").write_text("a,b\n")
        (path / "2.csv").write_text("a,b\n")

    with pytest.raises(BadDataError, match="0 good rows"):
        prepare(path)
