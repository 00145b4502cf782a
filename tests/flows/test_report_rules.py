"""The rules of the report: which rows and units are shown, and that comparisons differ in one thing alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flows.steps.datasets import PrepareSettings, prepare_dataset
from flows.steps.figures import filter_figure
from flows.steps.report.choosing import effective_size, one_of_each_label, pairs_of_rows, two_that_grow_most
from flows.steps.report.comparison import mean_point, probe_error
from flows.steps.report.first_layers import Sample, recipes_of, sample_of
from flows.steps.report.markdown import as_markdown
from flows.steps.report.picture import Picture
from flows.steps.report.release_pictures import images_there_are, share_in_words
from models.stack import build_stack
from service.release.manifest import Input


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    home = tmp_path_factory.mktemp("home")
    dataset = prepare_dataset("digits", home=home, data_folder=home / "data", settings=PrepareSettings())
    return sample_of(dataset, home, "range")


def test_what_is_compared_differs_in_corruption_or_penalty_alone(sample: Sample) -> None:
    described = {name: recipe.model_dump() for name, recipe in recipes_of(sample, "range").items()}
    for recipe in described.values():
        for field in ("kind", "corruption", "contraction"):
            recipe.pop(field)
    assert len(described) == 5
    assert all(recipe == described["AE"] for recipe in described.values())
    weights = [build_stack(recipe, (8, 8)).pairs[0].weight for recipe in recipes_of(sample, "range").values()]
    assert all(weight.equal(weights[0]) for weight in weights)


def test_a_sample_keeps_each_row_with_its_label(sample: Sample) -> None:
    rows, labels = sample.rows("test"), sample.labels("test")
    (_, white), stated = sample.dataset.record.value_range, sample.dataset.labels("test")
    known = sample.dataset.rows("test") / white
    assert labels is not None
    assert stated is not None
    for row, label in zip(rows[:20], labels[:20], strict=True):
        distances = np.square(known.reshape(len(known), -1) - row).sum(1)
        assert distances.min() < 1e-8
        assert stated[distances.argmin()] == label


def test_a_large_image_is_shrunk_by_means(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (100, 66, 70), np.uint8)
    np.save(tmp_path / "images.npy", images)
    settings = PrepareSettings()
    dataset = prepare_dataset(str(tmp_path / "images.npy"), home=tmp_path, data_folder=tmp_path, settings=settings)
    small = sample_of(dataset, tmp_path, "range")
    assert small.shrunk == 3
    assert small.rows("train").shape[1] == 22 * 23
    first = dataset.rows("train")[0, :3, :3].mean() / 255
    assert np.isclose(small.rows("train")[:, 0], first, atol=1e-5).any()


def test_a_thin_image_is_shrunk_to_one_pixel_across(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (100, 2, 99), np.uint8)
    np.save(tmp_path / "images.npy", images)
    settings = PrepareSettings()
    dataset = prepare_dataset(str(tmp_path / "images.npy"), home=tmp_path, data_folder=tmp_path, settings=settings)
    small = sample_of(dataset, tmp_path, "range")
    assert small.dataset.record.shape == (1, 24)
    first = dataset.rows("train")[0, :, :4].mean() / 255
    assert np.isclose(small.rows("train")[:, 0], first, atol=1e-5).any()


def test_a_share_has_its_own_interval() -> None:
    few, most = np.arange(100) < 2, np.arange(100) < 98
    assert share_in_words(few) == "2.0% (0.6% to 7.0%)"
    assert share_in_words(most) == "98.0% (93.0% to 99.4%)"


@pytest.mark.parametrize(("dtype", "highest", "said"), [("uint8", 255, "10^154 "), ("uint16", 65535, "10^308 ")])
def test_as_many_images_are_stated_as_the_rows_have_levels(dtype: str, highest: int, said: str) -> None:
    stated = Input(kind="image", shape=(8, 8), stored_dtype=dtype, minimum=0, maximum=highest)
    assert said in images_there_are(stated)
    assert f"{highest + 1:,} levels a pixel" in images_there_are(stated)
    assert "levels" not in images_there_are(stated.model_copy(update={"stored_dtype": "float32"}))


def test_a_filter_spreads_over_as_many_inputs_as_hold_it() -> None:
    one, four = np.zeros((2, 3, 3))
    one[1, 1], four[:2, :2] = 5, -3
    assert effective_size(np.stack([one, four])).tolist() == pytest.approx([1, 4])
    before = np.stack([one, four, one, one])
    after = np.stack([one, four, np.ones((3, 3)), four])
    assert two_that_grow_most(before, after).tolist() == [2, 3]


def test_queries_have_one_of_each_label_and_pairs_two() -> None:
    labels = np.array([0] * 50 + [1] * 3 + [2])
    query = one_of_each_label(labels, len(labels), 3, seed=1)
    assert labels[query].tolist() == [0, 1, 2]
    assert len(set(one_of_each_label(labels, len(labels), 10, seed=1).tolist())) == 10
    pairs = pairs_of_rows(labels, len(labels), 3, seed=1)
    assert all(labels[first] != labels[last] for first, last in pairs)
    assert len(pairs_of_rows(None, 2, 3, seed=1)) == 1


def test_the_probe_reads_a_linear_label_and_no_other() -> None:
    codes = np.random.default_rng(0).normal(size=(500, 3))
    labels = (codes @ [1, -2, 0.5] > 0).astype(np.int64)

    def error(known: np.ndarray) -> tuple[float, float, float]:
        return probe_error(*((codes[part], known[part]) for part in (slice(300), slice(300, 400), slice(400, 500))))

    share, low, high = error(labels)
    assert low <= share <= high < 0.15
    assert error(np.random.default_rng(1).permutation(labels))[1] > 0.3


def test_a_point_is_its_rows_mean_with_the_interval_that_rows_give() -> None:
    values = np.random.default_rng(0).exponential(3, 900).astype(np.float32)
    mean, low, high = mean_point(values)
    assert mean == pytest.approx(float(values.mean()))
    reach = 1.96 * float(values.std()) / 30
    assert (mean - low, high - mean) == pytest.approx((reach, reach), rel=0.15)
    # One row has no spread.
    assert mean_point(values[:1]) == (values[0],) * 3


def test_markdown_stays_within_its_size_and_names_what_it_leaves_out() -> None:
    png = filter_figure(np.random.default_rng(0).normal(size=(32, 8, 8)), 32)
    entries = [Picture(f"p{n}", f"Picture {n}", png, "noise", "what to see", "nobody") for n in range(3)]
    whole = as_markdown("all", entries)
    assert whole.count("data:image/png") == 3
    part = as_markdown("some", entries, most_bytes=len(whole) // 2)
    assert part.count("data:image/png") == 1
    assert part.count("too large") == 2
