"""What all tests share: parts that may be missing on a newcomer's machine, and an isolated home."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

# Read by BentoML and Prefect when they are imported.
os.environ["BENTOML_DO_NOT_TRACK"] = "True"
os.environ["DO_NOT_TRACK"] = "1"
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"

_REQUIRE_ALL = os.environ.get("MANIFOLD_REQUIRE_ALL") == "1"


def data_folder() -> Path:
    """Where datasets are looked for in tests, as the product does it."""
    return Path(os.environ.get("MANIFOLD_DATA") or "data").absolute()


def _missing_mnist() -> str | None:
    images = data_folder() / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
    if images.is_file():
        return None
    return f"the real MNIST is not at {images}: set MANIFOLD_DATA to a folder in torchvision's layout"


_PARTS: dict[str, Callable[[], str | None]] = {"mnist": _missing_mnist}


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        (part,) = mark.args
        missing = _PARTS[part]()
        if missing and _REQUIRE_ALL:
            pytest.fail(missing, pytrace=False)
        if missing:
            pytest.skip(missing)


@pytest.fixture
def mnist_folder() -> Path:
    """The folder that holds the real MNIST; use together with `needs("mnist")`."""
    return data_folder()
