"""What the tests of datasets share: the public door with a home of its own, and small real images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from flows.steps.datasets import Dataset, PrepareSettings, prepare_dataset


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def prepare(home: Path, tmp_path: Path) -> Callable[..., Dataset]:
    """`prepare(source, data_folder=..., on_progress=..., **settings)`."""

    def run(
        source: Path | str, *, data_folder: Path = tmp_path / "data", on_progress: Any = None, **settings: Any
    ) -> Dataset:
        return prepare_dataset(
            str(source),
            home=home,
            data_folder=data_folder,
            settings=PrepareSettings(**settings),
            on_progress=on_progress,
        )

    return run


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Sixty different grey images, 6 wide and 5 high, in sub-folders `cat` and `dog`."""
    folder = tmp_path / "photos"
    rng = np.random.default_rng(0)
    for number in range(60):
        path = folder / ("cat" if number % 2 else "dog") / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (5, 6), dtype=np.uint8)).save(path)
    return folder
