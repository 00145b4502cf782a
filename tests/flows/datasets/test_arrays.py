""".npy and .npz as a source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.steps.datasets import Dataset
from flows.steps.errors import BadDataError, SourceError

Prepare = Callable[..., Dataset]


def _all_rows(dataset: Dataset) -> Any:
    return np.concatenate([dataset.rows("train"), dataset.rows("validation"), dataset.rows("test")])


def test_a_matrix_becomes_float32_vectors_with_statistics_of_the_training_rows(
    prepare: Prepare, tmp_path: Path
) -> None:
    matrix = np.random.default_rng(0).normal(1e4, [1, 2, 3], (100, 3))
    np.save(tmp_path / "m.npy", matrix)

    dataset = prepare(tmp_path / "m.npy")

    record, train = dataset.record, np.asarray(dataset.rows("train"), dtype=np.float64)
    assert (record.kind, record.shape, record.dtype) == ("vector", (3,), "float32")
    assert record.columns == ("0", "1", "2")
    assert np.array_equal(np.sort(_all_rows(dataset), axis=0), np.sort(matrix.astype(np.float32), axis=0))
    np.testing.assert_allclose(record.statistics.mean, train.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(record.statistics.standard_deviation, train.std(axis=0), rtol=1e-9)
    assert record.statistics.minimum == tuple(train.min(axis=0))
    assert record.value_range == (train.min(), train.max())


def test_statistics_of_images_are_over_all_pixels_and_all_chunks(prepare: Prepare, tmp_path: Path) -> None:
    # Sixteen megabytes that grow lighter, so that chunks with different means are merged.
    noise = np.random.default_rng(0).integers(0, 6, (250, 256, 256), dtype=np.uint8)
    images = noise + np.arange(250, dtype=np.uint8)[:, None, None]
    np.save(tmp_path / "i.npy", images)

    dataset = prepare(tmp_path / "i.npy")

    train = dataset.rows("train")
    assert dataset.record.statistics.mean == pytest.approx((train.mean(),), rel=1e-12)
    assert dataset.record.statistics.standard_deviation == pytest.approx((train.std(),), rel=1e-9)


def test_colour_images_keep_uint8_and_labels_are_numbered_in_order(prepare: Prepare, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (100, 4, 5, 3), dtype=np.uint8)
    names = np.array([10, 9, 30] * 33 + [9])
    np.savez(tmp_path / "c.npz", x=images, y=names)

    dataset = prepare(tmp_path / "c.npz")

    assert dataset.record.label_names == ("9", "10", "30")
    known = {image.tobytes(): str(name) for image, name in zip(images, names, strict=True)}
    labels = dataset.labels("test")
    assert labels is not None
    assert labels.dtype == np.int64
    for image, label in zip(dataset.rows("test"), labels, strict=True):
        assert image.dtype == np.uint8
        assert known[image.tobytes()] == dataset.record.label_names[label]


def test_constant_pixels_are_normal_and_constant_columns_are_not(prepare: Prepare, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (60, 3, 3), dtype=np.uint8)
    images[:, 0, 0] = 0
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "matrix.npy", images.reshape(60, 9))

    assert prepare(tmp_path / "images.npy").record.shape == (3, 3)
    with pytest.raises(BadDataError, match=r"constant columns +1 column +column 0 "):
        prepare(tmp_path / "matrix.npy")
    kept = prepare(tmp_path / "matrix.npy", skip_bad=True)
    assert kept.record.columns == ("1", "2", "3", "4", "5", "6", "7", "8")
    assert kept.rows("train").shape[1:] == (8,)


def test_nan_and_infinity_in_float_images_are_reported(prepare: Prepare, tmp_path: Path) -> None:
    images = np.random.default_rng(0).random((60, 3, 3))
    images[7, 1, 1], images[8, 0, 0], images[9, 0, 0] = np.nan, np.inf, 1e300
    np.save(tmp_path / "f.npy", images)

    with pytest.raises(BadDataError) as refused:
        prepare(tmp_path / "f.npy")

    told = {problem.kind.name: problem.examples for problem in refused.value.report.problems}
    assert told == {
        "rows with NaN or empty cells": ("row 7",),
        "rows with infinite values": ("row 8", "row 9"),
    }


@pytest.mark.parametrize(
    ("array", "complaint"),
    [
        (np.array([{}, {}], dtype=object), "holds Python objects, expected numbers"),
        (np.array(["a", "b"]), "expected real numbers"),
        (np.zeros((60, 2), dtype=complex), "holds complex128, expected real numbers"),
        (np.zeros(60), r"has shape \(60,\), expected \(rows, columns\)"),
        (np.zeros((60, 3, 8, 8)), r"has shape \(60, 3, 8, 8\), expected"),
        (np.zeros((60, 0)), r"has shape \(60, 0\), expected"),
    ],
)
def test_arrays_that_are_no_rows_of_numbers_are_refused_in_one_line(
    prepare: Prepare, tmp_path: Path, array: Any, complaint: str
) -> None:
    for name, save in (("a.npy", np.save), ("a.npz", np.savez)):
        save(tmp_path / name, array)
        with pytest.raises(SourceError, match=complaint) as refused:
            prepare(tmp_path / name)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kept", [0, 5, 40, 500])
@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_a_truncated_array_is_refused(prepare: Prepare, tmp_path: Path, name: str, kept: int) -> None:
    path = tmp_path / name
    (np.save if name == "a.npy" else np.savez)(path, np.random.default_rng(0).random((100, 4)))
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(SourceError, match=r"a\.np[yz]: "):
        prepare(path)


def test_labels_that_do_not_fit_are_refused(prepare: Prepare, tmp_path: Path) -> None:
    np.savez(tmp_path / "short.npz", x=np.zeros((60, 2)), y=np.zeros(59, dtype=int))
    np.savez(tmp_path / "real.npz", x=np.zeros((60, 2)), y=np.linspace(0, 1, 60))
    np.savez(tmp_path / "many.npz", a=np.zeros((60, 2)), b=np.zeros((60, 2)))

    with pytest.raises(SourceError, match=r"y has shape \(59,\), expected \(60,\)"):
        prepare(tmp_path / "short.npz")
    with pytest.raises(SourceError, match="y holds float64, expected whole numbers or text"):
        prepare(tmp_path / "real.npz")
    with pytest.raises(SourceError, match="holds a, b, expected an array x"):
        prepare(tmp_path / "many.npz")
