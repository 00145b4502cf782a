"""The handwritten digits that scikit-learn carries: real data that needs neither a file nor a network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.steps.datasets.source import Chunk, Layout, Piece, Reading
from flows.steps.validation import Findings


class DigitsSource:
    """1,797 grey images (8, 8), values 0 to 16, labels 0 to 9 (Alpaydin and Kaynak 1998; UCI, test part)."""

    name = "digits"
    built_in = True

    def lacks_labels(self) -> None:
        """They were published with the images."""

    def pieces(self) -> Sequence[Piece]:
        images, labels = self._data
        return [Piece("images", images.tobytes()), Piece("labels", labels.tobytes())]

    def read(self, _findings: Findings, /) -> Reading:
        """All of it in one chunk."""
        images, labels = self._data
        layout = Layout("image", images.shape[1:], "uint8", value_range=(0.0, 16.0))
        return Reading(layout, iter([Chunk(images, labels)]), len(images), lambda row: f"digit {row}")

    @cached_property
    def _data(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        # Loaded here because scikit-learn takes a second to import and other sources do without it.
        from sklearn.datasets import load_digits

        bunch: Any = load_digits()
        return bunch.images.astype(np.uint8), bunch.target.astype(np.int64)
