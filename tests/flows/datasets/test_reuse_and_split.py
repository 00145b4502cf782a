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

    # Shares of 0.1 each, but for chance: 20 of 200 rows ± 3 deviations.
    assert all(7 <= len(first[split]) <= 33 for split in ("validation", "test"))
    assert sorted(number for rows in first.values() for number in rows) == list(range(200))
    assert numbers(seed=3) == first
    assert numbers(seed=4) != first


def test_two_preparations_at_once_do_the_work_once(prepare: Prepare, matrix: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(prepare, [matrix, matrix]))

    assert both[0].folder == both[1].folder
    assert sorted(dataset.reused for dataset in both) == [False, True]


def test_a_row_stays_in_its_split_however_much_the_source_grows(prepare: Prepare, matrix: Path) -> None:
    first = prepare(matrix)
    rows = np.load(matrix)
    more = np.stack([np.arange(200.0, 600.0), np.arange(400.0)], axis=1)
    np.save(matrix, np.random.default_rng(0).permutation(np.concatenate([more, rows])))

    second = prepare(matrix)

    for split in first.record.rows:
        before, after = (set(dataset.rows(split)[:, 0].tolist()) for dataset in (first, second))
        assert before == {number for number in after if number < 200}
        assert len(after) > len(before)


def test_rows_that_are_the_same_are_in_the_same_split(prepare: Prepare, matrix: Path) -> None:
    rows = np.load(matrix)
    np.save(matrix, np.concatenate([rows, rows[::2]]))

    dataset = prepare(matrix)

    held = [set(dataset.rows(split)[:, 0].tolist()) for split in dataset.record.rows]
    assert sum(map(len, held)) == len(set.union(*held)) == 200
    assert sum(dataset.record.rows.values()) == 300
    assert dataset.record.tolerated == {"rows that repeat another": 100}


def test_few_rows_are_divided_so_that_no_split_is_empty(prepare: Prepare, tmp_path: Path) -> None:
    for number in range(60):
        path = tmp_path / f"{number}.npy"
        np.save(path, np.random.default_rng(number).normal(size=(10, 2)))

        rows = prepare(path, minimum_rows=10).record.rows

        assert sum(rows.values()) == 10
        assert min(rows.values()) >= 1


def test_one_row_over_and_over_cannot_be_divided(prepare: Prepare, tmp_path: Path) -> None:
    np.save(tmp_path / "same.npy", np.ones((60, 4, 4)))

    with pytest.raises(BadDataError, match="none is left for"):
        prepare(tmp_path / "same.npy")
