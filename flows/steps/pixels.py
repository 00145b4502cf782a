"""What an image file holds as one row: its kind of colour, its channels, and what has to be converted.

| an image of                     | is a row of               | values                                       |
|---------------------------------|---------------------------|----------------------------------------------|
| grey, 1 bit                     | (height, width)           | 0 to 255                                     |
| 16-bit grey                     | (height, width)           | 0 to 65,535                                  |
| 32-bit or float grey            | (height, width)           | as stored                                    |
| colour, palette, CMYK, YCbCr    | (height, width, 3)        | 0 to 255, RGB                                |
| grey or colour with transparency| (height, width, 2) or (.., 4) | 0 to 255; the last channel is the opacity |
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Colour = Literal["grey", "16-bit grey", "float grey", "colour"]

_COLOURS: dict[str, Colour] = {
    "1": "grey",
    "L": "grey",
    "LA": "grey",
    "I;16": "16-bit grey",
    "I;16L": "16-bit grey",
    "I;16B": "16-bit grey",
    "I": "float grey",
    "F": "float grey",
    "P": "colour",
    "PA": "colour",
    "RGB": "colour",
    "RGBA": "colour",
    "RGBa": "colour",
    "RGBX": "colour",
    "CMYK": "colour",
    "YCbCr": "colour",
    "HSV": "colour",
}
_CONVERTED = {
    "1": "1 bit, read as grey of 0 and 255",
    "I": "32-bit grey, read as float32",
    "P": "palette, read as RGB",
    "PA": "palette, read as RGB",
    "CMYK": "CMYK, read as RGB",
    "YCbCr": "YCbCr, read as RGB",
    "HSV": "HSV, read as RGB",
}


def colour_of(image: Image.Image) -> Colour | None:
    """What an opened image shows, transparency apart; None where it is of a kind that is not read."""
    return _COLOURS.get(image.mode)


def is_transparent(image: Image.Image) -> bool:
    """Whether an opened image states an opacity, in a channel of its own or for one of its colours."""
    return _COLOURS.get(image.mode) in {"grey", "colour"} and bool(image.has_transparency_data)


def conversions_of(image: Image.Image, *, with_opacity: bool) -> list[str]:
    """What `pixels_of` changes in an opened image, in words for the user; nothing where it is kept as it is.

    Args:
        image: opened, its pixels not yet unpacked.
        with_opacity: whether the row has a channel for it.
    """
    told = [_CONVERTED[image.mode]] if image.mode in _CONVERTED else []
    if image.mode in {"L", "LA", "RGB", "RGBA"} and any(";16" in str(tile) for tile in getattr(image, "tile", ())):
        told.append("16 bits a channel, read as 8")
    if is_transparent(image) and not with_opacity:
        told.append("with transparency, laid over white")
    if with_opacity and not is_transparent(image):
        told.append("without transparency, read as opaque")
    return told


def pixels_of(image: Image.Image, *, with_opacity: bool) -> NDArray[Any]:
    """The pixels of an opened image: (height, width), or (height, width, channels).

    uint8; float32 where grey is deeper than 8 bits.

    Args:
        image: of a kind that `colour_of` knows.
        with_opacity: append the opacity as a channel, 255 where the image states none. Otherwise what is
            transparent is laid over white, as a browser shows it.
    """
    colour = colour_of(image)
    if colour in {"16-bit grey", "float grey"}:
        return np.asarray(image).astype(np.float32)
    plain, layered = ("L", "LA") if colour == "grey" else ("RGB", "RGBA")
    if with_opacity:
        return np.asarray(image.convert(layered))
    if is_transparent(image):
        over = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)
    return np.asarray(image.convert(plain))
