"""A report as Markdown that carries its pictures: what Prefect's page can show without a file server."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image

from flows.steps.report.page import data_uri
from flows.steps.report.picture import Entry, Skipped

MOST_BYTES = 2_000_000
_COLOURS = 64


def as_markdown(title: str, entries: Sequence[Entry], most_bytes: int = MOST_BYTES) -> str:
    """One Markdown text with every picture as a data URI, in few colours, up to a total size.

    Args:
        title: the heading.
        entries: in their order.
        most_bytes: how large the text may be; pictures that would exceed it are named instead.
    """
    parts, size = [f"# {title}"], 0
    for entry in entries:
        if isinstance(entry, Skipped):
            parts.append(f"## {entry.heading}\n\n{entry.reason}")
            continue
        address = data_uri(_in_few_colours(entry.png))
        shown = f"![{entry.alt}]({address})"
        if size + len(shown) > most_bytes:
            shown = "This picture would make the page too large; `manifold report` draws it."
        size += len(shown)
        parts.append(f"## {entry.heading}\n\n{shown}\n\n{entry.caption}\n\n*Compare: {entry.source}.*")
    return "\n\n".join(parts)


def _in_few_colours(png: bytes) -> bytes:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").quantize(_COLOURS).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
