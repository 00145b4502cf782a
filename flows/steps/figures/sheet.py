"""Panels of tiles on one sheet, each tile's pixels drawn as whole pixels."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from matplotlib.figure import Figure

from flows.steps.figures.png import DPI, as_png
from flows.steps.figures.tiles import Tiles

_MARGIN, _BETWEEN = 20.0, 36.0
_LINE, _LETTER = 24.0, 8.6
_TITLE_POINTS, _PANEL_POINTS, _CAPTION_POINTS = 8.5, 7.5, 6.5
_LEAST_WIDTH = 640


def laid_out(panels: Sequence[Tiles], *, across: bool) -> list[list[Tiles]]:
    """Panels of one dataset's rows as rows of panels.

    Args:
        panels: of images, or of vectors.
        across: whether panels of images stand side by side, not one below the other. Vectors' strips are wide: their
            panels are two in a row, with one strip a line.
    """
    if panels[0].is_strip:
        strips = [replace(panel, columns=1) for panel in panels]
        return [strips[start : start + 2] for start in range(0, len(strips), 2)]
    return [list(panels)] if across else [[panel] for panel in panels]


def draw_sheet(title: str, rows: Sequence[Sequence[Tiles]]) -> bytes:
    """A PNG with a title and, below it, rows of panels.

    Args:
        title: says what is drawn, of which split, and of how many rows.
        rows: panels that stand side by side, from top to bottom.
    """
    canvases = [[panel.canvas() for panel in row] for row in rows]
    widths = [sum(canvas.shape[1] for canvas in row) + _BETWEEN * (len(row) - 1) for row in canvases]
    width = max(_LEAST_WIDTH, *widths) + 2 * _MARGIN
    head = textwrap.wrap(title, int((width - 2 * _MARGIN) / _LETTER))
    heights = [max(canvas.shape[0] for canvas in row) + _LINE for row in canvases]
    top = _MARGIN + _LINE * len(head)
    height = top + sum(heights) + _MARGIN // 2 * (len(rows) + 1)
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)

    def write(text: str, across: float, down: float, points: float, **style: Any) -> None:
        figure.text(across / width, 1 - down / height, text, fontsize=points, va="center", parse_math=False, **style)

    for line, text in enumerate(head):
        write(text, _MARGIN, _MARGIN + _LINE * (line + 0.3), _TITLE_POINTS, weight="bold")
    for row, drawn, tall in zip(rows, canvases, heights, strict=True):
        left = _MARGIN
        for panel, canvas in zip(row, drawn, strict=True):
            write(panel.title, left, top + _LINE * 0.55, _PANEL_POINTS)
            high, wide = canvas.shape[:2]
            above = top + _LINE
            area = (left / width, 1 - (above + high) / height, wide / width, high / height)
            axis = figure.add_axes(area)
            axis.imshow(canvas, interpolation="none", aspect="auto")
            axis.set_axis_off()
            for number, caption in enumerate(panel.captions):
                down, across = panel.caption_place(number)
                colour = "#b01020" if number in panel.marked else "#303030"
                write(caption, left + across, above + down, _CAPTION_POINTS, ha="center", color=colour)
            left += wide + _BETWEEN
        top += tall + _MARGIN // 2
    return as_png(figure)
