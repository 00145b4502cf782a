"""A folder of images: one size, grey or colour; its sub-folders, where there are any, are labels."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flows.steps.datasets.source import Chunk, Layout, Piece, Reading
from flows.steps.errors import BadDataError
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

Colour = Literal["grey", "16-bit grey", "float grey", "colour"]
_COLOURS: dict[str, Colour] = {
    "1": "grey",
    "L": "grey",
    "LA": "grey",
    "La": "grey",
    "I;16": "16-bit grey",
    "I;16L": "16-bit grey",
    "I;16B": "16-bit grey",
    "I": "float grey",
    "F": "float grey",
}


def is_image(path: Path) -> bool:
    """Whether a file is called like an image that is read."""
    return path.suffix.lower() in _SUFFIXES


@dataclass(frozen=True, order=True)
class _Look:
    """What must be alike in all images."""

    height: int
    width: int
    colour: Colour

    def __str__(self) -> str:
        return f"{self.width}×{self.height} {self.colour}"

    def layout(self) -> Layout:
        if self.colour == "colour":
            return Layout("image", (self.height, self.width, 3), "uint8", (0.0, 255.0))
        if self.colour == "grey":
            return Layout("image", (self.height, self.width), "uint8", (0.0, 255.0))
        deepest = (0.0, 65535.0) if self.colour == "16-bit grey" else None
        return Layout("image", (self.height, self.width), "float32", deepest)


class ImageFolderSource:
    """Images as they are stored: first frame, transparency left off, a JPEG's orientation tag not applied.

    8-bit images are uint8, deeper grey ones float32. The look (size, grey or colour) that most images have
    is the dataset's; every other image is reported.
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
        counts = Counter(looks.values())
        usual = max(counts, key=lambda look: (counts[look], look))
        fitting = [name for name, look in looks.items() if _fits(name, look, usual, findings)]
        decoded: list[str] = []
        return Reading(
            usual.layout(), self._decode(fitting, usual, decoded, findings), len(fitting), decoded.__getitem__
        )

    def _decode(self, names: Sequence[str], usual: _Look, decoded: list[str], findings: Findings) -> Iterator[Chunk]:
        """Chunks of the images `names`; those that can be decoded are appended to `decoded` as they come."""
        layout = usual.layout()
        labelled = any("/" in name for name in names)
        for start in range(0, len(names), layout.chunk_rows):
            images: list[NDArray[Any]] = []
            labels: list[str | None] = []
            for name in names[start : start + layout.chunk_rows]:
                image = _pixels(name, self._paths[name], layout, findings)
                if image is not None:
                    images.append(image)
                    labels.append(name.split("/")[0] if "/" in name else None)
                    decoded.append(name)
            if images:
                yield Chunk(np.stack(images), labels if labelled else None)


def _fits(name: str, look: _Look, usual: _Look, findings: Findings) -> bool:
    if look == usual:
        return True
    same_size = (look.height, look.width) == (usual.height, usual.width)
    findings.add(MIXED_COLOUR if same_size else MIXED_SIZES, f"{name} ({look}, most are {usual})")
    return False


def _look(name: str, path: Path, findings: Findings) -> _Look | None:
    with warnings.catch_warnings():
        _strict_about_bombs()
        try:
            with Image.open(path, formats=_FORMATS) as image:
                return _Look(image.height, image.width, _COLOURS.get(image.mode, "colour"))
        except _BOMB:
            findings.add(CORRUPT_IMAGES, f"{name} (too many pixels)")
        except _BROKEN:
            findings.add(CORRUPT_IMAGES, name)
    return None


def _pixels(name: str, path: Path, layout: Layout, findings: Findings) -> NDArray[Any] | None:
    with warnings.catch_warnings():
        _strict_about_bombs()
        try:
            with Image.open(path, formats=_FORMATS) as image:
                if layout.dtype == "float32":
                    pixels = np.asarray(image).astype(np.float32)
                else:
                    pixels = np.asarray(image.convert("RGB" if len(layout.shape) == 3 else "L"))
        except (*_BROKEN, *_BOMB):
            findings.add(CORRUPT_IMAGES, name)
            return None
    if pixels.shape != layout.shape:
        findings.add(CORRUPT_IMAGES, f"{name} (its header lies)")
        return None
    return pixels


def _strict_about_bombs() -> None:
    # Pillow only warns between one and two times its limit; its other warnings are about unused tags.
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
