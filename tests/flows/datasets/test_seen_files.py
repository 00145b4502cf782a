"""A source that looks as it did is not read again; whatever may have changed is."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from flows.steps.datasets import Dataset, PrepareSettings, look_at_source, seen_files
from flows.steps.datasets.seen_files import SeenFiles

Prepare = Callable[..., Dataset]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that has not changed for two seconds, as it seems."""
    monkeypatch.setattr(seen_files, "_SETTLED_NS", -1)
    path = tmp_path / "part"
    path.write_bytes(b"before")
    return path


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def ask(home: Path, *paths: Path) -> list[str]:
    seen = SeenFiles(home, "source")
    digests = [seen.sha256(path) for path in paths]
    seen.keep()
    return digests


def remembered(home: Path) -> Path:
    (place,) = (home / "sources").iterdir()
    return place


def remember_something_else(home: Path) -> str:
    """What is given now where nothing is read."""
    place = remembered(home)
    known = {name: [*look, "0" * 64] for name, (*look, _) in json.loads(place.read_bytes()).items()}
    place.write_text(json.dumps(known))
    return "0" * 64


def test_a_file_that_looks_as_it_did_is_not_read_again(home: Path, file: Path) -> None:
    assert ask(home, file) == [sha256(b"before")]
    given = remember_something_else(home)
    assert ask(home, file) == [given]


def test_a_file_that_was_written_is_read_again_also_where_size_and_time_are_as_before(home: Path, file: Path) -> None:
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    ask(home, file)
    file.write_bytes(b"behind")
    os.utime(file, ns=times)

    assert ask(home, file) == [sha256(b"behind")]


def test_another_file_moved_into_its_place_is_read(home: Path, file: Path) -> None:
    ask(home, file)
    other = file.with_name("other")
    other.write_bytes(b"behind")
    os.utime(other, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    other.replace(file)

    assert ask(home, file) == [sha256(b"behind")]


def test_a_file_that_has_just_been_written_is_not_remembered(
    home: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    ask(home, file)

    assert not (home / "sources").exists()


def test_files_that_have_gone_are_forgotten(home: Path, file: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(b"other")
    ask(home, file, other)
    ask(home, file)

    assert list(json.loads(remembered(home).read_bytes())) == [str(file)]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a": 1}', b"\xff"])
def test_where_what_was_remembered_is_damaged_everything_is_read(home: Path, file: Path, content: bytes) -> None:
    ask(home, file)
    remember_something_else(home)
    remembered(home).write_bytes(content)

    assert ask(home, file) == [sha256(b"before")]


def test_a_home_that_cannot_be_written_costs_a_reading_and_no_more(home: Path, file: Path) -> None:
    home.write_text("a file where the home should be")

    assert ask(home, file) == [sha256(b"before")]


def test_a_source_is_looked_at_by_what_is_remembered(
    prepare: Prepare, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen_files, "_SETTLED_NS", -1)
    path = tmp_path / "rows.npy"
    np.save(path, np.random.default_rng(0).normal(size=(60, 3)))

    def look() -> str:
        name, fingerprint = look_at_source(
            str(path), home=home, data_folder=tmp_path, settings=PrepareSettings(), on_progress=lambda *_: None
        )
        assert name == str(path)
        return fingerprint

    assert look() == prepare(path).record.fingerprint
    remember_something_else(home)
    assert look() != prepare(path, seed=1).record.fingerprint
    remembered(home).unlink()
    assert look() == prepare(path).record.fingerprint
