"""Where data lies, by absolute paths: a scheduled run starts in another folder, with another environment."""

from __future__ import annotations

import os
from pathlib import Path

from flows.steps.errors import SettingError


def data_folder() -> Path:
    """Where public datasets lie or are downloaded to: `MANIFOLD_DATA`, by default `data` below this folder."""
    return Path(os.environ.get("MANIFOLD_DATA") or "data").absolute()


def checkpoint_seconds() -> float:
    """How much training a kill may cost: `MANIFOLD_CHECKPOINT_SECONDS`, by default 15.

    Raises:
        SettingError: it is no number, or negative.
    """
    return _seconds("MANIFOLD_CHECKPOINT_SECONDS", 15)


def server_start_seconds() -> float:
    """How long a Prefect server of ours may take to answer: `MANIFOLD_SERVER_START_SECONDS`, by default 120.

    Raises:
        SettingError: it is no number, or negative.
    """
    return _seconds("MANIFOLD_SERVER_START_SECONDS", 120)


def absolute_source(source: str) -> str:
    """A source with its path made absolute; the name of a public dataset stays as it is."""
    return str(Path(source).absolute()) if Path(source).exists() else source


def _seconds(name: str, default: float) -> float:
    text = os.environ.get(name) or f"{default:g}"
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise SettingError(f"{name}: {text!r} came; expected seconds, 0 or more")
    return seconds
