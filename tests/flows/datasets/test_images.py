"""A folder of images as a source."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flows.steps.datasets import Dataset
from flows.steps.errors import BadDataError, SourceError

Prepare = Callable[..., Dataset]


def test_sub_folders_become_labels_and_pixels_stay_as_they_were(prepare: Prepare, photos: Path) -> None:
    dataset = prepare(photos)

    record = dataset.record
    assert (record.kind, record.shape, record.dtype) == ("image", (5, 6), "uint8")
    assert record.value_range == (0.0, 255.0)
    assert record.label_names == ("cat", "dog")
    assert sum(record.rows.values()) == 60
    labelled = set()
    for split in record.rows:
        labels = dataset.labels(split)
        assert labels is not None
        for row, label in zip(dataset.rows(split), labels, strict=True):
            labelled.add((record.label_names[label], row.tobytes()))
    stored = {(path.parent.name, np.asarray(Image.open(path)).tobytes()) for path in photos.rglob("*.png")}
    assert labelled == stored


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tiff", ".gif"])
def test_each_format_is_read(prepare: Prepare, tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(1)
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(50):
        Image.fromarray(rng.integers(0, 256, (8, 9, 3), dtype=np.uint8)).save(folder / f"{number}{suffix}")

    dataset = prepare(folder)

    assert dataset.record.shape == (8, 9, 3)
    assert dataset.record.label_names is None
    assert dataset.labels("train") is None


def test_sixteen_bit_images_keep_their_depth(prepare: Prepare, tmp_path: Path) -> None:
    folder = tmp_path / "deep"
    folder.mkdir()
    for number in range(50):
        Image.fromarray(np.full((3, 4), 1000 * number, dtype=np.uint16)).save(folder / f"{number:02}.png")

    dataset = prepare(folder)

    assert dataset.record.dtype == "float32"
    assert dataset.record.value_range == (0.0, 65535.0)
    values = np.concatenate([dataset.rows("train"), dataset.rows("validation"), dataset.rows("test")])
    assert sorted(values[:, 0, 0].tolist()) == [1000.0 * number for number in range(50)]


def test_every_problem_of_the_images_is_told_in_one_report(prepare: Prepare, photos: Path) -> None:
    _spoil(photos)

    with pytest.raises(BadDataError) as refused:
        prepare(photos)

    told = {problem.kind.name: problem.count for problem in refused.value.report.problems}
    assert told == {
        "corrupt or unreadable images": 4,
        "images of another size": 1,
        "grey and colour mixed": 1,
        "rows without a label": 1,
    }
    text = str(refused.value)
    assert "cat/empty.png, cat/gone.png, dog/bomb.png (too many pixels), …" in text
    assert "dog/wide.png (9×5 grey, most are 6×5 grey)" in text
    assert text.count("or --skip-bad drops them") == 4


def test_skip_bad_drops_what_is_bad_and_counts_it(prepare: Prepare, photos: Path) -> None:
    _spoil(photos)

    record = prepare(photos, skip_bad=True).record

    assert record.tolerated["rows that repeat another"] >= 1
    assert record.dropped["corrupt or unreadable images"] == 4
    assert record.dropped["rows without a label"] == 1
    assert sum(record.rows.values()) == 60 + 20


def test_too_few_good_images_are_refused_even_when_bad_ones_may_be_dropped(prepare: Prepare, photos: Path) -> None:
    for path in sorted(photos.rglob("*.png"))[:20]:
        path.write_bytes(b"not an image")

    with pytest.raises(BadDataError, match="40 good rows") as refused:
        prepare(photos, skip_bad=True)

    assert "20 images" in str(refused.value)


def test_an_empty_folder_is_named_as_such(prepare: Prepare, tmp_path: Path) -> None:
    (tmp_path / "void").mkdir()

    with pytest.raises(BadDataError, match="empty folder"):
        prepare(tmp_path / "void")


def test_a_folder_in_which_no_image_can_be_read_is_refused(prepare: Prepare, tmp_path: Path) -> None:
    (tmp_path / "lies.png").write_bytes(b"nothing")

    with pytest.raises(BadDataError, match="corrupt or unreadable images"):
        prepare(tmp_path, skip_bad=True)


def test_images_beside_tables_are_refused(prepare: Prepare, photos: Path) -> None:
    (photos / "index.csv").write_text("a,b\n1,2\n")

    with pytest.raises(SourceError, match=r"both images .* and tables"):
        prepare(photos)


def test_hidden_files_of_other_programs_are_no_images(prepare: Prepare, photos: Path) -> None:
    for path in (
        photos / "cat" / "._01.png",
        photos / ".thumbnails" / "a.png",
        photos / "__MACOSX" / "b.png",
    ):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"not an image")

    assert sum(prepare(photos).record.rows.values()) == 60


def test_a_name_with_terminal_codes_cannot_draw_in_the_report(prepare: Prepare, photos: Path) -> None:
    (photos / "cat" / "\x1b[2Jgone\n.png").write_bytes(b"nothing")

    with pytest.raises(BadDataError) as refused:
        prepare(photos)

    assert "cat/?[2Jgone?.png" in str(refused.value)
    assert len(str(refused.value).splitlines()) == 3


def _spoil(photos: Path) -> None:
    """Four unreadable images, one of another size, one in colour, one without a label, twenty copies."""
    whole = (photos / "cat" / "01.png").read_bytes()
    (photos / "cat" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (photos / "cat" / "empty.png").write_bytes(b"")
    (photos / "cat" / "gone.png").symlink_to(photos / "nowhere.png")
    Image.new("1", (10_000, 10_000)).save(photos / "dog" / "bomb.png")
    Image.new("L", (9, 5)).save(photos / "dog" / "wide.png")
    Image.new("RGB", (6, 5)).save(photos / "dog" / "colour.png")
    Image.new("L", (6, 5)).save(photos / "loose.png")
    for number in range(20):
        shutil.copy(photos / "cat" / "01.png", photos / "dog" / f"copy{number}.png")
