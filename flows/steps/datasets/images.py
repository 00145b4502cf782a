"""A folder of images: one size, one kind of colour; its sub-folders, where there are any, are labels."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flows.steps.datasets.source import Chunk, Layout, Piece, Reading
from flows.steps.errors import BadDataError
from flows.steps.pixels import Colour, colour_of, conversions_of, is_transparent, pixels_of
from flows.steps.validation import CORRUPT_IMAGES, EMPTY_FOLDER, MIXED_COLOUR, MIXED_SIZES, Findings

_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".pbm"})
# Decoders that may run, whatever a file's name claims.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
# What Pillow's decoders are known to raise on broken files.
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    struct.error,
    zlib.error,
)
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)


def is_image(path: Path) -> bool:
    """Whether a file is called like an image that is read."""
    return path.suffix.lower() in _SUFFIXES


@dataclass(frozen=True, order=True)
class _Look:
    """What must be alike in all images. Transparency need not: an opacity can be added or laid over white."""

    height: int
    width: int
    colour: Colour

    def __str__(self) -> str:
        return f"{self.width}×{self.height} {self.colour}"

    def layout(self, *, with_opacity: bool) -> Layout:
        size = (self.height, self.width)
        if self.colour in {"16-bit grey", "float grey"}:
            return Layout("image", size, "float32", (0.0, 65535.0) if self.colour == "16-bit grey" else None)
        channels = (3 if self.colour == "colour" else 1) + with_opacity
        return Layout("image", (*size, channels) if channels > 1 else size, "uint8", (0.0, 255.0))


class ImageFolderSource:
    """Images as they are stored: the first frame, a JPEG's orientation tag not applied.

    8-bit images are uint8, deeper grey ones float32. The look (size, grey or colour) that most images have
    is the dataset's; every other image is reported. Where most of them state an opacity, it is their last
    channel, and the others are opaque; otherwise what is transparent is laid over white. Whatever is
    converted is counted.
    """

    built_in = False

    def __init__(self, name: str, folder: Path, paths: Sequence[Path]) -> None:
        self.name = name
        self._paths = {path.relative_to(folder).as_posix(): path for path in paths}

    def lacks_labels(self) -> str | None:
        labels = {name.split("/")[0] for name in self._paths if "/" in name}
        if not labels:
            return "a folder of images without sub-folders"
        return None if len(labels) > 1 else f"a folder of images in one sub-folder, {labels.pop()!r}"

    def pieces(self) -> Sequence[Piece]:
        return [Piece(name, path) for name, path in self._paths.items()]

    def read(self, findings: Findings, /) -> Reading:
        """Look at every header, then decode what fits.

        Raises:
            BadDataError: there is no image, or none that can be read.
        """
        if not self._paths:
            findings.add(EMPTY_FOLDER, "no image and no table in it", count=0)
            raise BadDataError(findings.report(self.name))
        looks = {name: look for name, path in self._paths.items() if (look := _look(name, path, findings))}
        if not looks:
            raise BadDataError(findings.report(self.name))
        counts = Counter(look for look, _ in looks.values())
        usual = max(counts, key=lambda look: (counts[look], look))
        fitting = [name for name, (look, _) in looks.items() if _fits(name, look, usual, findings)]
        with_opacity = 2 * sum(looks[name][1] for name in fitting) > len(fitting)
        layout = usual.layout(with_opacity=with_opacity)
        decoded: list[str] = []
        converted: Counter[str] = Counter()
        chunks = self._decode(fitting, layout, with_opacity, decoded, converted, findings)
        return Reading(layout, chunks, len(fitting), decoded.__getitem__, converted=converted)

    def _decode(
        self,
        names: Sequence[str],
        layout: Layout,
        with_opacity: bool,
        decoded: list[str],
        converted: Counter[str],
        findings: Findings,
    ) -> Iterator[Chunk]:
        """Chunks of the images `names`; those that can be decoded are appended to `decoded` as they come."""
        labelled = any("/" in name for name in names)
        for start in range(0, len(names), layout.chunk_rows):
            images: list[NDArray[Any]] = []
            labels: list[str | None] = []
            for name in names[start : start + layout.chunk_rows]:
                read = _pixels(name, self._paths[name], layout, with_opacity, findings)
                if read is not None:
                    pixels, conversions = read
                    images.append(pixels)
                    labels.append(name.split("/")[0] if "/" in name else None)
                    decoded.append(name)
                    converted.update(conversions)
            if images:
                yield Chunk(np.stack(images), labels if labelled else None)


def _fits(name: str, look: _Look, usual: _Look, findings: Findings) -> bool:
    if look == usual:
        return True
    same_size = (look.height, look.width) == (usual.height, usual.width)
    findings.add(MIXED_COLOUR if same_size else MIXED_SIZES, f"{name} ({look}, most are {usual})")
    return False


def _look(name: str, path: Path, findings: Findings) -> tuple[_Look, bool] | None:
    """Size and colour, and whether there is an opacity."""
    with warnings.catch_warnings():
        _strict_about_bombs()
        try:
            with Image.open(path, formats=_FORMATS) as image:
                colour = colour_of(image)
                if colour is not None:
                    return _Look(image.height, image.width, colour), is_transparent(image)
                findings.add(CORRUPT_IMAGES, f"{name} (mode {image.mode})")
        except _BOMB:
            findings.add(CORRUPT_IMAGES, f"{name} (too many pixels)")
        except _BROKEN:
            findings.add(CORRUPT_IMAGES, name)
    return None


def _pixels(
    name: str, path: Path, layout: Layout, with_opacity: bool, findings: Findings
) -> tuple[NDArray[Any], list[str]] | None:
    """The pixels, and what was converted to have them."""
    with warnings.catch_warnings():
        _strict_about_bombs()
        try:
            with Image.open(path, formats=_FORMATS) as image:
                conversions = conversions_of(image, with_opacity=with_opacity)
                pixels = pixels_of(image, with_opacity=with_opacity)
        except (*_BROKEN, *_BOMB):
            findings.add(CORRUPT_IMAGES, name)
            return None
    if pixels.shape != layout.shape:
        findings.add(CORRUPT_IMAGES, f"{name} (its header lies)")
        return None
    return pixels, conversions


def _strict_about_bombs() -> None:
    # Pillow only warns between one and two times its limit; its other warnings are about unused tags.
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
