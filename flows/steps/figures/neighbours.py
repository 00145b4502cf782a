"""The nearest rows of a few rows: in the inputs, and beside them in the code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt8

from flows.steps.figures.lettering import legible
from flows.steps.figures.sheet import draw_sheet
from flows.steps.figures.tiles import Tiles


@dataclass(frozen=True)
class Neighbours:
    """The nearest rows of `query`, nearest first, in the inputs and in the code.

    query: (q,), indices of rows. in_inputs, in_code: (q, k), indices of rows, never the query's own.
    """

    query: Int64[np.ndarray, " q"]
    in_inputs: Int64[np.ndarray, "q k"]
    in_code: Int64[np.ndarray, "q k"]


def neighbour_figure(
    tiles: UInt8[np.ndarray, "rows ..."],
    names: list[str] | None,
    neighbours: Neighbours,
    what: str,
    split: str,
) -> bytes:
    """Each query, its neighbours in the inputs and its neighbours in the code, as a PNG.

    Args:
        tiles: of all rows that neighbours are looked for among.
        names: the label of each row; a neighbour of another label than its query's is marked. None without labels.
        neighbours: of the queries.
        what: an input is made of, such as `pixels`.
        split: that the rows are from.
    """
    strips = tiles.shape[1] == 1
    wide = 1 if strips else neighbours.in_inputs.shape[1]
    query = Tiles("query", tiles[neighbours.query], 1, captions=_captions(names, neighbours.query))
    sides = [
        _panel(title, found, tiles, names, neighbours.query, wide)
        for title, found in ((f"nearest in {what}", neighbours.in_inputs), ("nearest in the code", neighbours.in_code))
    ]
    title = f"Neighbours in {what} beside neighbours in the code, among {len(tiles):,} {split} rows"
    title += "; another label is framed red" if names is not None else ""
    if not strips:
        return draw_sheet(title, [[query, *sides]])
    return draw_sheet(title, [row for number in range(len(neighbours.query)) for row in _strips(query, sides, number)])


def _panel(
    title: str,
    found: Int64[np.ndarray, "q k"],
    tiles: UInt8[np.ndarray, "rows ..."],
    names: list[str] | None,
    query: Int64[np.ndarray, " q"],
    columns: int,
) -> Tiles:
    shown = found.ravel()
    asked = np.repeat(query, found.shape[1])
    wrong = (
        ()
        if names is None
        else (place for place in range(len(shown)) if names[int(shown[place])] != names[int(asked[place])])
    )
    return Tiles(title, tiles[shown], columns, captions=_captions(names, shown), marked=frozenset(wrong))


def _captions(names: list[str] | None, rows: Int64[np.ndarray, " n"]) -> tuple[str, ...]:
    # A long label would run into its neighbour's.
    return () if names is None else tuple(legible(names[int(row)], 8) for row in rows)


def _strips(query: Tiles, sides: list[Tiles], number: int) -> list[list[Tiles]]:
    """One query of vectors: its strip, and below it the two lists side by side."""
    each = len(sides[0].images) // len(query.images)
    one = slice(number * each, (number + 1) * each)
    lists = [
        Tiles(
            side.title,
            side.images[one],
            1,
            captions=side.captions[one],
            marked=frozenset(place - one.start for place in side.marked if one.start <= place < one.stop),
        )
        for side in sides
    ]
    alone = slice(number, number + 1)
    return [[Tiles(f"query {number + 1}", query.images[alone], 1, captions=query.captions[alone])], lists]
