"""A report as its reader has it: the page's elements, the pictures' pixels, the tiles in them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from PIL import Image

from service.release.channels import Channels
from service.release.home import Home
from service.release.store import ReleaseStore

# An 8 x 8 image is enlarged ten times.
SIDE = 80


@dataclass(frozen=True)
class Reported:
    home: Path
    folder: Path
    stdout: str


class Page(HTMLParser):
    """What a browser would read: elements with their attributes, and the text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def tiles_in(picture: np.ndarray, side: int) -> list[tuple[int, int]]:
    """Top left corners of all squares that hold no white: tiles stand apart on white. Row by row."""
    inked = np.zeros((picture.shape[0] + 1, picture.shape[1] + 1), np.int64)
    inked[1:, 1:] = (picture.min(2) < 255).cumsum(0).cumsum(1)
    full = inked[side:, side:] - inked[:-side, side:] - inked[side:, :-side] + inked[:-side, :-side] == side * side
    corners: list[tuple[int, int]] = []
    for top, left in np.argwhere(full):
        # A framed tile is found several times, once for each place within its frame.
        if not any(abs(top - other) < side and abs(left - near) < side for other, near in corners):
            framed = picture[top, left].tolist() != picture[top + side // 2, left + side // 2].tolist()
            offset = 3 if framed and tuple(picture[top, left]) == (208, 32, 48) else 0
            corners.append((int(top) + offset, int(left) + offset))
    return corners


def place_of(picture: np.ndarray, part: np.ndarray) -> tuple[int, int]:
    """The one place, row and column, at which a picture holds another pixel by pixel."""
    high, wide = part.shape[:2]
    # By its fullest line: white ones are everywhere.
    down = int((part.min(2) < 255).sum(1).argmax())
    fullest, found = part[down].tobytes(), []
    for top in range(len(picture) - high + 1):
        line = picture[top + down].tobytes()
        start = line.find(fullest)
        while start >= 0:
            left, rest = divmod(start, 3)
            if rest == 0 and np.array_equal(picture[top : top + high, left : left + wide], part):
                found.append((top, left))
            start = line.find(fullest, start + 1)
    assert len(found) == 1, f"{len(found)} places"
    return found[0]


def small(picture: np.ndarray, corner: tuple[int, int]) -> np.ndarray:
    """The 8 x 8 image that a tile shows."""
    top, left = corner
    return picture[top + 5 : top + SIDE : 10, left + 5 : left + SIDE : 10, 0]


def champion(home: Path) -> Path:
    version = Channels(Home(home)).read().champion
    assert version is not None
    return ReleaseStore(Home(home)).folder(version)


def reference(home: Path) -> dict[str, np.ndarray]:
    return {path.stem: np.load(path) for path in (champion(home) / "reference").glob("*.npy")}


def pixels_of_bytes(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"))
