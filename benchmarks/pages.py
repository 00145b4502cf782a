"""Tables of the documentation that a benchmark writes, between two markers; the text around them stays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from service.release.atomic import write_atomically

DOCS = Path(__file__).parents[1] / "docs"
_END = "<!-- end of the table -->"


class PageError(Exception):
    """The page has no place for the table; the message names it and the markers."""


def write_table(page: Path, benchmark: str, lines: Sequence[str]) -> None:
    """Put lines between a page's markers, in place of those that are there.

    Args:
        page: a Markdown file.
        benchmark: `papers` of `make bench-papers`, as the first marker names it.
        lines: the table, and what is said below it.

    Raises:
        PageError: the markers are not there, or not in this order.
    """
    start = f"<!-- the table, written by make bench-{benchmark} -->\n"
    before, found, rest = page.read_text(encoding="utf-8").partition(start)
    _, ended, after = rest.partition(_END)
    if not (found and ended):
        raise PageError(f"{page}: no table to write, expected {start.strip()} and {_END}")
    write_atomically(page, "\n".join([before + start.strip(), *lines, _END + after]).encode())
