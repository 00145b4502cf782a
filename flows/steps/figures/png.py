"""A drawn figure as the bytes of a PNG."""

from __future__ import annotations

import io

from matplotlib.figure import Figure

DPI = 144
"""Pixels an inch: sharp on a dense screen, and still small."""


def as_png(figure: Figure) -> bytes:
    """The same figure gives the same bytes, whatever version of the library drew it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()
