"""Opening what was prepared, whole or harmed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from flows.steps.datasets import Dataset, open_dataset
from flows.steps.errors import DatasetError

Prepare = Callable[..., Dataset]


@pytest.fixture
def dataset(prepare: Prepare, photos: Path) -> Dataset:
    return prepare(photos)


def test_what_is_opened_is_what_was_prepared(dataset: Dataset) -> None:
    opened = open_dataset(dataset.folder, verify=True)

    assert opened.record == dataset.record
    assert np.array_equal(opened.rows("train"), dataset.rows("train"))


def test_rows_are_mapped_and_changing_them_changes_no_file(dataset: Dataset) -> None:
    rows = dataset.rows("train")
    assert isinstance(rows, np.memmap)
    first = int(rows[0, 0, 0])

    rows[0, 0, 0] = 255 - first

    assert dataset.rows("train")[0, 0, 0] == first


@pytest.mark.parametrize("name", ["train.npy", "test.npy", "labels_validation.npy"])
def test_a_truncated_file_is_refused_by_name_with_its_sizes(dataset: Dataset, name: str) -> None:
    path = dataset.folder / name
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])

    with pytest.raises(DatasetError, match=f"{name}: truncated: .*expected {len(whole):,}; run prepare again"):
        open_dataset(dataset.folder)


def test_a_truncated_dataset_is_mended_by_preparing_again(dataset: Dataset, prepare: Prepare, photos: Path) -> None:
    (dataset.folder / "train.npy").write_bytes(b"")

    again = prepare(photos)

    assert not again.reused
    assert "train.npy: truncated: 0 bytes" in again.notes[0]
    assert again.record == dataset.record
    open_dataset(again.folder, verify=True)


def test_a_flipped_byte_is_found_when_asked_to_verify(dataset: Dataset) -> None:
    path = dataset.folder / "train.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)

    with pytest.raises(DatasetError, match=r"train\.npy: changed: sha256"):
        open_dataset(dataset.folder, verify=True)


def test_a_missing_file_or_dataset_is_named(dataset: Dataset, tmp_path: Path) -> None:
    (dataset.folder / "test.npy").unlink()

    with pytest.raises(DatasetError, match=r"test\.npy: missing"):
        open_dataset(dataset.folder)
    with pytest.raises(DatasetError, match="no dataset here"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("schema_version", 2, "schema_version"),
        ("files", {"../outside.npy": {"size": 1, "sha256": ""}}, "files"),
        ("files", {}, "it does not list each split once"),
        ("rows", {"train": 1, "validation": 6, "test": 6}, r"train\.npy: holds uint8 \(48, 5, 6\), expected"),
    ],
)
def test_a_record_that_does_not_fit_is_refused(dataset: Dataset, field: str, value: object, complaint: str) -> None:
    path = dataset.folder / "dataset.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))

    with pytest.raises(DatasetError, match=complaint):
        open_dataset(dataset.folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_a_record_that_is_no_record_is_refused(dataset: Dataset, content: bytes) -> None:
    (dataset.folder / "dataset.json").write_bytes(content)

    with pytest.raises(DatasetError, match=r"dataset\.json"):
        open_dataset(dataset.folder)


@pytest.mark.parametrize("source", ["mnits", "", "no/such/folder", __file__])
def test_an_unknown_source_is_told_what_sources_there_are(prepare: Prepare, source: str) -> None:
    with pytest.raises(DatasetError, match=r"source: .* expected auto, mnist, fashion-mnist, digits"):
        prepare(source)
