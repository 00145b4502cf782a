"""Every kind of image that a folder can hold: kept with its channels, or converted and told."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from flows.steps.datasets import Dataset
from flows.steps.errors import BadDataError
from flows.steps.row_files import read_rows

Prepare = Callable[..., Dataset]

NUMBER, HEIGHT, WIDTH = 50, 3, 4


def pixels(number: int, *channels: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH, *channels), dtype=np.uint8)


def transparent_palette(number: int) -> Image.Image:
    image = Image.fromarray(pixels(number, 3)).quantize(8)
    image.info["transparency"] = 0
    return image


def folder_of(folder: Path, make: Callable[[int], Image.Image], suffix: str = ".png") -> Path:
    folder.mkdir()
    for number in range(NUMBER):
        make(number).save(folder / f"{number:02}{suffix}")
    return folder


KINDS: dict[str, tuple[Callable[[int], Image.Image], str, tuple[int, ...], str, str | None]] = {
    "grey": (lambda n: Image.fromarray(pixels(n)), ".png", (), "uint8", None),
    "1 bit": (
        lambda n: Image.fromarray(pixels(n) > 127),
        ".png",
        (),
        "uint8",
        "1 bit, read as grey of 0 and 255",
    ),
    "16-bit grey": (lambda n: Image.fromarray(pixels(n).astype(np.uint16) * 257), ".png", (), "float32", None),
    "big-endian 16-bit grey": (
        lambda n: Image.frombytes(
            "I;16B", (WIDTH, HEIGHT), (pixels(n).astype(np.uint16) * 257).astype(">u2").tobytes()
        ),
        ".tiff",
        (),
        "float32",
        None,
    ),
    "32-bit grey": (
        lambda n: Image.fromarray(pixels(n).astype(np.int32) * 1000),
        ".tiff",
        (),
        "float32",
        "32-bit grey, read as float32",
    ),
    "float grey": (lambda n: Image.fromarray(pixels(n) / np.float32(7)), ".tiff", (), "float32", None),
    "grey with transparency": (lambda n: Image.fromarray(pixels(n, 2)), ".png", (2,), "uint8", None),
    "colour": (lambda n: Image.fromarray(pixels(n, 3)), ".png", (3,), "uint8", None),
    "palette": (
        lambda n: Image.fromarray(pixels(n, 3)).quantize(8),
        ".png",
        (3,),
        "uint8",
        "palette, read as RGB",
    ),
    "palette with transparency": (transparent_palette, ".png", (4,), "uint8", "palette, read as RGB"),
    "colour with transparency": (lambda n: Image.fromarray(pixels(n, 4)), ".png", (4,), "uint8", None),
    "CMYK": (
        lambda n: Image.frombytes("CMYK", (WIDTH, HEIGHT), pixels(n, 4).tobytes()),
        ".tiff",
        (3,),
        "uint8",
        "CMYK, read as RGB",
    ),
}

MODES = {"1 bit": "L", "palette": "RGB", "palette with transparency": "RGBA", "CMYK": "RGB"}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_kept_with_its_channels_or_its_conversion_is_told(
    prepare: Prepare, tmp_path: Path, kind: str
) -> None:
    make, suffix, channels, dtype, told = KINDS[kind]
    folder = folder_of(tmp_path / "images", make, suffix)

    dataset = prepare(folder)

    record = dataset.record
    assert (record.shape, record.dtype) == ((HEIGHT, WIDTH, *channels), dtype)
    assert record.converted == ({} if told is None else {told: NUMBER})
    assert [note for note in dataset.notes if "images" in note] == (
        [] if told is None else [f"{NUMBER} images: {told}"]
    )
    assert prepare(folder).notes[1:] == dataset.notes
    kept = np.concatenate([dataset.rows(split) for split in record.rows])
    images = [make(number) for number in range(NUMBER)]
    stored = [np.asarray(image.convert(MODES[kind]) if kind in MODES else image).astype(dtype) for image in images]
    assert sorted(row.tobytes() for row in kept) == sorted(row.tobytes() for row in stored)
    # What a person sends to the service from the same files are the same rows.
    sent = read_rows(sorted(folder.iterdir()))
    assert sorted(row.tobytes() for row in kept.astype(np.float32)) == sorted(row.tobytes() for row in sent)


def test_few_transparent_images_among_opaque_ones_are_laid_over_white(prepare: Prepare, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "images", lambda number: Image.fromarray(pixels(number, 3)))
    clear, half = np.zeros((HEIGHT, WIDTH, 4), np.uint8), np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    half[..., 3] = 51  # a fifth black
    Image.fromarray(clear).save(folder / "clear.png")
    Image.fromarray(half).save(folder / "half.png")

    dataset = prepare(folder)

    assert dataset.record.shape == (HEIGHT, WIDTH, 3)
    assert dataset.record.converted == {"with transparency, laid over white": 2}
    rows = np.concatenate([dataset.rows(split) for split in dataset.record.rows])
    assert sum((row == 255).all() for row in rows) == 1
    assert sum((row == 204).all() for row in rows) == 1


def test_few_opaque_images_among_transparent_ones_become_opaque_in_words(prepare: Prepare, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "images", lambda number: Image.fromarray(pixels(number, 2)))
    Image.fromarray(pixels(99)).save(folder / "opaque.png")

    dataset = prepare(folder)

    assert dataset.record.converted == {"without transparency, read as opaque": 1}
    rows = np.concatenate([dataset.rows(split) for split in dataset.record.rows])
    opaque = [row for row in rows if (row[..., 1] == 255).all()]
    assert len(opaque) == 1
    assert np.array_equal(opaque[0][..., 0], pixels(99))


def test_a_one_coloured_transparency_counts_as_one(prepare: Prepare, tmp_path: Path) -> None:
    def make(number: int) -> Image.Image:
        shades = pixels(number)
        shades[0, 0] = 7
        image = Image.fromarray(shades)
        image.info["transparency"] = 7
        return image

    dataset = prepare(folder_of(tmp_path / "images", make))

    assert dataset.record.shape == (HEIGHT, WIDTH, 2)
    rows = np.concatenate([dataset.rows(split) for split in dataset.record.rows])
    assert (rows[:, 0, 0] == [7, 0]).all()
    assert np.array_equal(rows[..., 1] == 0, rows[..., 0] == 7)


def deep_colour_png(number: int) -> bytes:
    """A PNG of 16 bits a channel, which Pillow cannot write."""
    deep = (pixels(number, 3).astype(np.uint16) * 256 + 128).astype(">u2")
    lines = b"".join(b"\0" + line.tobytes() for line in deep)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def test_deep_colour_loses_its_lower_bits_in_words(prepare: Prepare, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(NUMBER):
        (folder / f"{number:02}.png").write_bytes(deep_colour_png(number))

    dataset = prepare(folder)

    assert dataset.record.converted == {"16 bits a channel, read as 8": NUMBER}
    rows = np.concatenate([dataset.rows(split) for split in dataset.record.rows])
    assert sorted(row.tobytes() for row in rows) == sorted(pixels(number, 3).tobytes() for number in range(NUMBER))


def test_a_kind_that_is_not_read_is_named(prepare: Prepare, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "images", lambda number: Image.fromarray(pixels(number, 3)))
    buffer = io.BytesIO()
    Image.new("LAB", (WIDTH, HEIGHT)).save(buffer, "TIFF")
    (folder / "lab.tiff").write_bytes(buffer.getvalue())

    with pytest.raises(BadDataError, match=r"lab\.tiff \(mode LAB\)"):
        prepare(folder)


@pytest.mark.parametrize("size", [(1, 30), (30, 1), (1, 1), (37, 5)])
def test_any_size_of_image_is_read(prepare: Prepare, tmp_path: Path, size: tuple[int, int]) -> None:
    def make(number: int) -> Image.Image:
        shades = np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8)
        return Image.fromarray(shades)

    settings: dict[str, Any] = {"skip_bad": True}
    assert prepare(folder_of(tmp_path / "images", make), **settings).record.shape == (*size, 3)
