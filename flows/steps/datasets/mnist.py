"""MNIST and FashionMNIST as torchvision keeps them (`<data folder>/<name>/raw/`), downloaded if missing."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from flows.steps.datasets.download import download_archives
from flows.steps.datasets.source import Chunk, Layout, Piece, Progress, Reading
from flows.steps.errors import SourceError
from flows.steps.validation import Findings

PublicName = Literal["MNIST", "FashionMNIST"]

# File -> its magic number: two zero bytes, 8 for unsigned bytes, the number of axes.
_FILES = {
    "train-images-idx3-ubyte": 0x0803,
    "train-labels-idx1-ubyte": 0x0801,
    "t10k-images-idx3-ubyte": 0x0803,
    "t10k-labels-idx1-ubyte": 0x0801,
}


def lies_in(data_folder: Path, name: PublicName) -> bool:
    """Whether all four files of a public dataset are there, whole or not."""
    return all((data_folder / name / "raw" / file).is_file() for file in _FILES)


def fetch_mnist(name: PublicName, data_folder: Path, on_progress: Progress) -> None:
    """Download a public dataset from torchvision's mirrors unless it is there.

    Raises:
        SourceError: it is not there, and no mirror answers, or it cannot be kept.
        DownloadError: a mirror answered and failed.
    """
    if lies_in(data_folder, name):
        return
    published = _torchvision_class(name)
    raw = data_folder / name / "raw"
    try:
        download_archives(published.mirrors, published.resources, raw, on_progress)
    except OSError as error:
        raise SourceError(f"data folder: {raw} cannot be written: {error.strerror or error}") from error


class MnistSource:
    """60,000 training and 10,000 test images (28, 28), grey, 0 to 255; the test split as published."""

    built_in = True

    def __init__(self, name: PublicName, data_folder: Path) -> None:
        self.name = "mnist" if name == "MNIST" else "fashion-mnist"
        self._published: PublicName = name
        self._data_folder = data_folder
        self._raw = data_folder / name / "raw"

    def lacks_labels(self) -> None:
        """They were published with the images."""

    def pieces(self) -> Sequence[Piece]:
        return [Piece(file, self._raw / file) for file in _FILES]

    def read(self, _findings: Findings, /) -> Reading:
        """Training images, then test images.

        Raises:
            SourceError: a file is truncated or is not an IDX file.
        """
        counts = {name: _checked_count(self._raw / name) for name in _FILES}
        for part in ("train", "t10k"):
            images, labels = counts[f"{part}-images-idx3-ubyte"], counts[f"{part}-labels-idx1-ubyte"]
            if images != labels:
                raise SourceError(f"{self.name}: {part} has {labels:,} labels, expected {images:,}, one an image")
        published = _torchvision_class(self._published)
        train = published(root=self._data_folder, train=True)
        test = published(root=self._data_folder, train=False)
        layout = Layout("image", tuple(train.data.shape[1:]), "uint8", value_range=(0.0, 255.0))
        names = None if self._published == "MNIST" else tuple(published.classes)
        return Reading(
            layout,
            _chunks([train, test], layout),
            len(train.data) + len(test.data),
            lambda row: f"image {row}" if row < len(train.data) else f"test image {row - len(train.data)}",
            official_test=len(test.data),
            label_names=names,
        )


def _chunks(parts: list[Any], layout: Layout) -> Iterator[Chunk]:
    for part in parts:
        images, labels = part.data.numpy(), part.targets.numpy().astype(np.int64)
        for start in range(0, len(images), layout.chunk_rows):
            span = slice(start, start + layout.chunk_rows)
            yield Chunk(images[span], labels[span])


def _checked_count(path: Path) -> int:
    """How many images or labels an IDX file holds, after a look at its header and size."""
    axes = _FILES[path.name] & 0xFF
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header = file.read(4 + 4 * axes)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error
    if len(header) < 4 + 4 * axes or int.from_bytes(header[:4], "big") != _FILES[path.name]:
        raise SourceError(f"{path}: not an IDX file of unsigned bytes with {axes} axes")
    shape = struct.unpack(f">{axes}I", header[4:])
    expected = len(header) + math.prod(shape)
    if size != expected:
        fault = "truncated" if size < expected else "too long"
        raise SourceError(f"{path}: {fault}: {size:,} bytes, expected {expected:,}; delete it to download it again")
    return int(shape[0])


def _torchvision_class(name: PublicName) -> Any:
    # Loaded here because torchvision brings torch, some five seconds that a reused dataset does not need.
    from torchvision import datasets

    return datasets.MNIST if name == "MNIST" else datasets.FashionMNIST
