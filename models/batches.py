"""Arrays with many rows, which may lie on disk, a chunk at a time."""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64, Shaped
from torch import Tensor

Rows = Float32[np.ndarray, "_ ..."]
AnyRows = Shaped[np.ndarray, "_ ..."]

# Rows at a time: so many, and fewer where a row is large.
_CHUNK = 4096
_CHUNK_BYTES = 2**26

_WHOLE_BYTES = 2**30
_PIECE_BYTES = 2**20
_PIECES = 128


def chunks(rows: AnyRows) -> Iterator[tuple[slice, Rows]]:
    """Where each chunk lies, and a float32 copy of it, which torch may share."""
    for place in places(rows.shape):
        yield place, np.array(rows[place], dtype=np.float32)


def places(shape: tuple[int, ...]) -> Iterator[slice]:
    """Where each chunk of rows of this shape, (n, *row), lies."""
    size = max(1, min(_CHUNK, _CHUNK_BYTES // (4 * math.prod(shape[1:]))))
    for start in range(0, shape[0], size):
        yield slice(start, min(start + size, shape[0]))


def gather(rows: AnyRows, chosen: Int64[np.ndarray, " batch"], buffer: Rows) -> Rows:
    """The chosen rows, in the first places of `buffer`."""
    batch = buffer[: len(chosen)]
    # `clip` spares numpy a second buffer.
    np.take(rows, chosen, axis=0, out=batch, mode="clip")
    return batch


def shuffled(rows: AnyRows, generator: torch.Generator) -> Int64[np.ndarray, " rows"]:
    """The order of one epoch: every row once.

    Below 1 GiB all orders are equally probable. More may not fit in memory, and a disk is slow at single rows: then
    pieces of 1 MiB come in random order, and rows are shuffled within 128 of these pieces at a time.
    """
    count, row_bytes = len(rows), rows[0].nbytes
    if rows.nbytes < _WHOLE_BYTES:
        return np.asarray(torch.randperm(count, generator=generator))
    piece = max(1, _PIECE_BYTES // row_bytes)
    starts = torch.randperm(-(-count // piece), generator=generator) * piece
    order = (starts[:, None] + torch.arange(piece)).flatten()
    order = order[order < count]
    for window in order.split(piece * _PIECES):
        window.copy_(window[torch.randperm(len(window), generator=generator)])
    return np.asarray(order)


def read_ahead(rows: AnyRows, order: Int64[np.ndarray, " rows"], start: int, stop: int) -> None:
    """Ask the system to fetch from disk what an epoch needs next, without waiting for it; nothing in memory.

    Args:
        rows: which may be memory-mapped.
        order: of the epoch.
        start: the place in `order` that has been reached.
        stop: the one that the next call starts from.
    """
    file = getattr(rows, "_mmap", None)
    if rows.nbytes < _WHOLE_BYTES or file is None or not hasattr(file, "madvise"):
        return
    window = _PIECES * max(1, _PIECE_BYTES // rows[0].nbytes)
    ahead = range(-(-start // window), -(-stop // window))
    for number in ahead:
        # One window before it is needed; the first of all has nobody to ask for it earlier.
        for place in (number, number + 1) if number == 0 else (number + 1,):
            _fetch(rows, file, np.sort(order[place * window : (place + 1) * window]))


def _fetch(rows: AnyRows, file: Any, chosen: Int64[np.ndarray, " rows"]) -> None:
    """Whole runs of neighbouring rows, each by one call."""
    row_bytes = rows[0].nbytes
    base = rows.offset - rows.offset % mmap.ALLOCATIONGRANULARITY  # type: ignore[attr-defined]  # a memmap's own
    skipped = rows.offset - base  # type: ignore[attr-defined]
    for run in np.split(chosen, np.flatnonzero(np.diff(chosen) != 1) + 1):
        if len(run):
            first = skipped + int(run[0]) * row_bytes
            first -= first % mmap.PAGESIZE
            length = min(skipped + (int(run[-1]) + 1) * row_bytes, len(file)) - first
            file.madvise(mmap.MADV_WILLNEED, first, length)


def map_rows(
    function: Callable[[Tensor], Tensor], rows: AnyRows, out: Rows, device: torch.device | str = "cpu"
) -> None:
    """Write `function` of all rows into `out`, without gradients.

    Args:
        function: from (batch, *shape) to (batch, *other shape), each row by itself, on `device`.
        rows: (n, *shape); may be memory-mapped.
        out: float32 (n, *other shape); may be memory-mapped.
        device: where to compute.
    """
    with torch.no_grad():
        for place, chunk in chunks(rows):
            out[place] = function(torch.from_numpy(chunk).to(device)).cpu().numpy()


def extremes(rows: AnyRows) -> tuple[float, float]:
    """The least and the greatest entry of all rows."""
    found = [(float(chunk.min()), float(chunk.max())) for _, chunk in chunks(rows)]
    return min(low for low, _ in found), max(high for _, high in found)
