"""What a report shows: a picture with its words, or a plain sentence why there is none."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Picture:
    """One picture.

    name: of its file, without `.png`.
    heading: what it is.
    png: the bytes of the file.
    alt: what it shows, for those who cannot see it.
    caption: what to look for, with split and n.
    source: the paper and figure that it answers.
    """

    name: str
    heading: str
    png: bytes
    alt: str
    caption: str
    source: str


@dataclass(frozen=True)
class Skipped:
    """A picture that could not be made, and why, in a sentence for the reader."""

    heading: str
    reason: str


Entry = Picture | Skipped
