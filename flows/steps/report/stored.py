"""The pictures inside a release: `figures/*.png`, and `figures/captions.json` with their words."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from flows.steps.report.picture import Entry, Picture

_CAPTIONS = "captions.json"


def store_pictures(entries: Iterable[Entry], folder: Path) -> None:
    """Write the pictures among the entries into a draft's `figures/`; what was left out is not there.

    Raises:
        OSError: the disk refused.
    """
    folder.mkdir()
    words: list[dict[str, str]] = []
    for entry in entries:
        if isinstance(entry, Picture):
            (folder / f"{entry.name}.png").write_bytes(entry.png)
            words.append({name: value for name, value in vars(entry).items() if name != "png"})
    (folder / _CAPTIONS).write_text(json.dumps(words, indent=2), "utf-8")


def stored_pictures(folder: Path) -> list[Picture]:
    """The pictures of a release as they were drawn when it was made, in the report's order.

    Args:
        folder: `figures/` of a release that has been verified.
    """
    words = json.loads((folder / _CAPTIONS).read_text("utf-8"))
    return [Picture(png=(folder / f"{each['name']}.png").read_bytes(), **each) for each in words]
