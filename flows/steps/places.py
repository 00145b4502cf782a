"""Where data lies, by absolute paths: a scheduled run starts in another folder, with another environment."""

from __future__ import annotations

import os
from pathlib import Path


def data_folder() -> Path:
    """Where public datasets lie or are downloaded to: `MANIFOLD_DATA`, by default `data` below this folder."""
    return Path(os.environ.get("MANIFOLD_DATA") or "data").absolute()


def absolute_source(source: str) -> str:
    """A source with its path made absolute; the name of a public dataset stays as it is."""
    return str(Path(source).absolute()) if Path(source).exists() else source
