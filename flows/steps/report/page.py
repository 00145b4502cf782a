"""The report's page: one HTML file with everything in it."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from importlib import resources

from jinja2 import Environment, StrictUndefined

from flows.steps.report.picture import Entry
from service.release.manifest import Manifest


def data_uri(png: bytes) -> str:
    """A picture as the address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def render_page(manifest: Manifest, entries: Sequence[Entry]) -> str:
    """The page, self-contained: no script, and nothing from another address.

    Args:
        manifest: of the release.
        entries: in the order of the page.
    """
    template = (resources.files("flows.steps.report") / "report.html").read_text("utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals |= {"data_uri": data_uri, "size": _size}
    return environment.from_string(template).render(manifest=manifest, entries=entries)


def _size(png: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the file's header."""
    width, height = struct.unpack(">II", png[16:24])
    return int(width), int(height)
