"""Image files as rows, and rows as pictures, for every number of channels that a release can have."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from service.errors import InvalidValueError
from service.formats.images import read, write_grid
from service.release.manifest import Input


def rows_of(*channels: int, maximum: float = 255) -> Input:
    stored = "uint8" if maximum == 255 else "float32"
    return Input(kind="image", shape=(2, 3, *channels), stored_dtype=stored, minimum=0, maximum=maximum)


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def pixels(*channels: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, 3, *channels), dtype=np.uint8)


@pytest.mark.parametrize("channels", [(), (2,), (3,), (4,)])
def test_an_image_of_the_releases_own_kind_comes_as_it_is_and_goes_out_as_one(channels: tuple[int, ...]) -> None:
    row = read(png(Image.fromarray(pixels(*channels))), "image/png", rows_of(*channels), "x")
    assert np.array_equal(row, pixels(*channels)[None])
    picture = Image.open(io.BytesIO(write_grid(row.astype(np.float32), rows_of(*channels))))
    assert np.array_equal(np.asarray(picture), pixels(*channels))


def test_an_image_without_opacity_is_opaque_where_the_release_has_a_channel_for_it() -> None:
    for channels in (1, 3):
        shades = pixels(*([3] if channels == 3 else []))
        row = read(png(Image.fromarray(shades)), "image/png", rows_of(channels + 1), "x")[0]
        assert np.array_equal(row[..., :channels].squeeze(), shades)
        assert (row[..., channels] == 255).all()


def test_sixteen_bits_come_whole_where_the_release_has_them_and_eight_are_not_taken_for_them() -> None:
    deep = pixels().astype(np.uint16) * 257 - 1
    row = read(png(Image.fromarray(deep)), "image/png", rows_of(maximum=65535), "x")
    assert np.array_equal(row[0], deep)
    with pytest.raises(InvalidValueError, match="mode L came, I;16 expected"):
        read(png(Image.fromarray(pixels())), "image/png", rows_of(maximum=65535), "x")
    with pytest.raises(InvalidValueError, match="mode I;16 came, 1 or L expected"):
        read(png(Image.fromarray(deep)), "image/png", rows_of(), "x")


def test_a_transparency_that_hides_in_a_palette_is_refused_where_rows_have_none() -> None:
    image = Image.fromarray(pixels(3)).quantize(4)
    image.info["transparency"] = 0
    with pytest.raises(InvalidValueError, match="with transparency came"):
        read(png(image), "image/png", rows_of(3), "x")
    assert (read(png(image), "image/png", rows_of(4), "x")[..., 3] == 0).any()
