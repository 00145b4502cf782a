"""A straight line between two inputs, beside the straight line between their codes."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import UInt8
from numpy import ndarray

from flows.steps.figures.sheet import draw_sheet, laid_out
from flows.steps.figures.tiles import Tiles


def straight_line_figure(
    in_inputs: Sequence[UInt8[ndarray, "steps ..."]],
    in_code: Sequence[UInt8[ndarray, "steps ..."]],
    names: Sequence[str],
    what: str,
    split: str,
) -> bytes:
    """For each pair of rows the line in the inputs, and the line in the code, decoded, as a PNG.

    Args:
        in_inputs: one array of tiles a pair: from the one row to the other in equal steps.
        in_code: likewise, decoded from equal steps in the code; its ends are the reconstructions.
        names: of the pairs, such as `3 to 8`.
        what: an input is made of, such as `pixels`.
        split: that the ends are from.
    """
    rows: list[list[Tiles]] = []
    for straight, decoded, name in zip(in_inputs, in_code, names, strict=True):
        above = Tiles(f"{name}: straight line in {what}", straight, len(straight))
        below = Tiles(f"{name}: straight line in the code, decoded", decoded, len(decoded))
        rows += laid_out([above, below], across=False)
    title = f"Straight lines between {split} rows: in {what}, and in the code ({len(names)} pairs)"
    return draw_sheet(title, rows)
