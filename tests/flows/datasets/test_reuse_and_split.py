"""The fingerprint decides what is reused; the seed decides what is held out."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from flows.steps.datasets import Dataset
from flows.steps.errors import BadDataError

Prepare = Callable[..., Dataset]


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    """200 rows whose first column is their number."""
    path = tmp_path / "matrix.npy"
    np.save(path, np.stack([np.arange(200.0), np.arange(200.0) ** 2], axis=1))
    return path


def test_an_unchanged_source_is_not_decoded_again(prepare: Prepare, photos: Path) -> None:
    heard: list[str] = []
    first = prepare(photos)
    before = {path: path.stat().st_mtime_ns for path in first.folder.iterdir()}
    for path in photos.rglob("*.png"):
        os.utime(path, (1, 1))

    again = prepare(photos, on_progress=lambda what, _done, _total: heard.append(what))

    assert not first.reused
    assert again.reused
    assert again.folder == first.folder
    assert "nothing has changed" in again.notes[0]
    assert set(heard) == {"fingerprint"}
    assert {path: path.stat().st_mtime_ns for path in again.folder.iterdir()} == before


def test_one_changed_byte_makes_another_dataset(prepare: Prepare, matrix: Path) -> None:
    first = prepare(matrix)
    content = bytearray(matrix.read_bytes())
    content[-8] ^= 1
    matrix.write_bytes(content)

    second = prepare(matrix)

    assert second.folder != first.folder
    assert not second.reused


def test_a_renamed_label_makes_another_dataset_and_a_renamed_source_does_not(
    prepare: Prepare, photos: Path, tmp_path: Path
) -> None:
    first = prepare(photos)
    moved = photos.rename(tmp_path / "elsewhere")
    assert prepare(moved).reused

    (moved / "dog").rename(moved / "dogs")

    assert prepare(moved).folder != first.folder


def test_a_setting_that_matters_makes_another_dataset(prepare: Prepare, matrix: Path) -> None:
    folders = {
        prepare(matrix, **settings).folder
        for settings in (
            {},
            {"seed": 1},
            {"test_fraction": 0.2},
            {"validation_fraction": 0.2},
            {"minimum_rows": 60},
        )
    }

    assert len(folders) == 4


def test_a_reused_dataset_still_has_to_be_large_enough(prepare: Prepare, matrix: Path) -> None:
    prepare(matrix)

    with pytest.raises(BadDataError, match="200 good rows"):
        prepare(matrix, minimum_rows=1000)


def test_the_split_is_complete_disjoint_and_frozen_by_the_seed(prepare: Prepare, matrix: Path, home: Path) -> None:
    def numbers(seed: int) -> dict[str, list[float]]:
        dataset = prepare(matrix, seed=seed)
        return {split: dataset.rows(split)[:, 0].tolist() for split in dataset.record.rows}

    first = numbers(seed=3)
    home.rename(home.with_name("old"))

    assert {split: len(rows) for split, rows in first.items()} == {"train": 160, "validation": 20, "test": 20}
    assert sorted(number for rows in first.values() for number in rows) == list(range(200))
    assert numbers(seed=3) == first
    assert numbers(seed=4) != first


def test_two_preparations_at_once_do_the_work_once(prepare: Prepare, matrix: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(prepare, [matrix, matrix]))

    assert both[0].folder == both[1].folder
    assert sorted(dataset.reused for dataset in both) == [False, True]


def test_a_row_may_not_be_in_validation_and_test(prepare: Prepare, matrix: Path) -> None:
    first = prepare(matrix)
    twin, row = (int(first.rows(split)[0, 0]) for split in ("validation", "test"))
    rows = np.load(matrix)
    rows[row] = rows[twin]
    np.save(matrix, rows)

    with pytest.raises(BadDataError, match=rf"held-out .* 1 row .* row {row} = row {twin} "):
        prepare(matrix)

    assert prepare(matrix, skip_bad=True).record.rows == {"train": 160, "validation": 20, "test": 19}


def test_a_split_that_loses_all_its_rows_is_refused(prepare: Prepare, matrix: Path) -> None:
    first = prepare(matrix)
    rows = np.load(matrix)
    rows[first.rows("validation")[:, 0].astype(int)] = first.rows("train")[0]
    np.save(matrix, rows)

    with pytest.raises(BadDataError, match="none is left for validation"):
        prepare(matrix, skip_bad=True)
