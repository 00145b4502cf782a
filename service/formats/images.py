"""Images: one PNG, JPEG or WebP is one row; many rows go out as one PNG grid."""

from __future__ import annotations

import io
import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from service.errors import InvalidValueError, MalformedError, RequestError, TooLargeError, UnsupportedTypeError
from service.release.manifest import Input
from service.sessions import Floats

MEDIA_TYPES = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}

# How a row's channels are called, and the modes that cannot be misread as it: no opacity where the row has no place
# for it (checked apart, a palette may hide one), and 16 bits only where the row's range is as wide.
_NAMES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_MODES = {
    1: ("1", "L"),
    2: ("LA", "L", "1"),
    3: ("RGB", "P", "L", "1"),
    4: ("RGBA", "RGB", "P", "PA", "LA", "L", "1"),
}
_DEEP = ("I;16",)


def read(body: bytes | memoryview, media_type: str, expected: Input, field: str) -> npt.NDArray[Any]:
    """One image -> one row, (1, height, width) or (1, height, width, channels), values as the file has them.

    An image without opacity is opaque where the row has a channel for it. The size that the file declares is
    checked before a single pixel is unpacked.

    Raises:
        UnsupportedTypeError: the live release's rows are no images.
        InvalidValueError: another size or colour mode than the release's rows have.
        MalformedError: it is no such image, or damaged.
    """
    height, width, channels = _size(expected)
    kind = MEDIA_TYPES[media_type]
    deep = channels == 1 and expected.maximum > 255
    modes = _DEEP if deep else _MODES[channels]
    try:
        # A bomb is refused below by its size; pillow's warning of it would only be noise.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(body), formats=[kind])
        if image.size != (width, height):
            raise InvalidValueError(
                f"{field}: an image of {image.width} × {image.height} came, {width} × {height} expected",
                field=field,
            )
        if image.mode not in modes:
            raise InvalidValueError(
                f"{field}: an image of mode {image.mode} came, {' or '.join(modes)} expected", field=field
            )
        if channels in (1, 3) and image.has_transparency_data:
            raise InvalidValueError(f"{field}: an image with transparency came, an opaque one expected", field=field)
        pixels = np.asarray(image if deep else image.convert(_NAMES[channels]))
    except Image.DecompressionBombError as error:
        # Refused by pillow for the size that its header declares, before ours was asked.
        raise InvalidValueError(
            f"{field}: an image of far too many pixels came, {width} × {height} expected", field=field
        ) from error
    except UnidentifiedImageError as error:
        raise MalformedError(f"body: not a {kind} image that can be read", field="body") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise MalformedError(f"body: a damaged {kind} image: {error}", field="body") from error
    return pixels[np.newaxis]


def kinds(described: Input) -> tuple[str, ...]:
    """The media types in which a row can come: WebP has no grey, and only PNG has 16 bits.

    Raises:
        UnsupportedTypeError: the live release's rows are no images.
    """
    _, _, channels = _size(described)
    if described.maximum > 255:
        return ("image/png",)
    return ("image/png", "image/jpeg") if channels < 3 else tuple(MEDIA_TYPES)


def read_one_of_many(
    content: bytes | memoryview, media_type: str, expected: Input, field: str, where: str
) -> npt.NDArray[Any]:
    """As `read`, and a refusal says `where` among the others the image is: `x[3]`."""
    try:
        return read(content, media_type, expected, where)
    except RequestError as error:
        # A damaged one calls itself the body.
        _, _, what = error.message.partition(": ")
        raise type(error)(f"{where}: {what}", field=field) from error


def check_total(count: int, expected: Input, field: str, max_values: int) -> None:
    """Nothing, if `count` images are not too much to unpack: a small file may hold a large image.

    Raises:
        TooLargeError: all together they have more than `max_values` values.
    """
    values = count * math.prod(expected.shape)
    if values > max_values:
        raise TooLargeError(
            f"{field}: {count:,} images of {values:,} values in all came, at most {max_values:,} in one request",
            field=field,
        )


def write_grid(rows: Floats, described: Input, columns: int | None = None) -> bytes:
    """Rows (batch, *shape) -> one PNG, `columns` side by side or as square a grid as fits, row by row; what is left of
    it is black, or transparent where rows have an opacity. Always 8 bits: the input's range from 0 to 255.

    Raises:
        UnsupportedTypeError: the live release's rows are no images.
    """
    height, width, channels = _size(described)
    columns = columns or math.ceil(math.sqrt(len(rows)))
    lines = math.ceil(len(rows) / columns)
    span = described.maximum - described.minimum or 1.0
    grey = np.clip((rows - described.minimum) / span * 255.0, 0, 255).round().astype(np.uint8)
    grid = np.zeros((lines * columns, height, width, channels), np.uint8)
    grid[: len(rows)] = grey.reshape(-1, height, width, channels)
    # (lines, columns, height, width, channels) -> (lines · height, columns · width, channels)
    page = grid.reshape(lines, columns, height, width, channels).swapaxes(1, 2)
    page = page.reshape(lines * height, columns * width, channels)
    buffer = io.BytesIO()
    Image.fromarray(page[..., 0] if channels == 1 else page).save(buffer, "PNG")
    return buffer.getvalue()


def _size(described: Input) -> tuple[int, int, int]:
    if described.kind != "image":
        raise UnsupportedTypeError(f"the live release's rows are vectors of {described.shape[0]} values, not images")
    height, width = described.shape[:2]
    return height, width, described.shape[2] if len(described.shape) == 3 else 1
