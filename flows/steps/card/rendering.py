"""A release's card, as HTML and as Markdown: self-contained, no script, nothing from another address."""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Literal

from jinja2 import Environment, StrictUndefined
from PIL import Image

from flows.figure_lines import metric_value
from flows.steps.card import wording
from flows.steps.card.escaping import Verbatim, markdown_text
from flows.steps.report.page import data_uri
from flows.steps.report.picture import Picture
from flows.steps.report.stored import stored_pictures
from service.release.home import Home
from service.release.manifest import Manifest
from service.release.store import ReleaseStore

Form = Literal["html", "md"]
FORMS: tuple[Form, ...] = ("html", "md")

_COLOURS = 64


def store_card(draft: Path, manifest: Manifest) -> None:
    """Write both cards into a draft whose figures are drawn.

    Raises:
        OSError: the disk refused.
    """
    pictures = stored_pictures(draft / "figures")
    for form in FORMS:
        (draft / f"card.{form}").write_text(render_card(manifest, pictures, form), "utf-8")


def card_of(home: Home, version: str, form: Form) -> str:
    """The card that a release holds; of a release of before, one made now.

    Raises:
        UnknownReleaseError: there is no such release.
        ManifestError: its manifest is damaged.
    """
    store = ReleaseStore(home)
    folder, manifest = store.folder(version), store.manifest(version)
    if f"card.{form}" in manifest.files:
        return (folder / f"card.{form}").read_text("utf-8")
    drawn = "figures/captions.json" in manifest.files
    return render_card(manifest, stored_pictures(folder / "figures") if drawn else [], form)


def render_card(manifest: Manifest, pictures: Sequence[Picture], form: Form) -> str:
    """The card of a release.

    Args:
        manifest: of the release.
        pictures: shown on it, whole in HTML, in few colours in Markdown.
        form: `html` or `md`.
    """
    # Every form escapes: HTML by jinja2 itself, Markdown by `finalize`, through which each value goes.
    environment = Environment(
        autoescape=form == "html",  # noqa: S701
        finalize=markdown_text if form == "md" else None,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {
        "say": wording,
        "metric_value": metric_value,
        "data_uri": data_uri,
        "small_uri": lambda png: Verbatim(data_uri(_in_few_colours(png))),
        "raw": Verbatim,
        "block": _indented,
    }
    template = (resources.files("flows.steps.card") / f"card.{form}").read_text("utf-8")
    return environment.from_string(template).render(manifest=manifest, pictures=pictures)


def _indented(text: str) -> Verbatim:
    """A block of code in Markdown: whatever is in it, each line is shown as it is."""
    return Verbatim("\n".join(f"    {line}" for line in text.splitlines()))


def _in_few_colours(png: bytes) -> bytes:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").quantize(_COLOURS).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
