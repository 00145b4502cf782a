"""Arrays with many rows, which may lie on disk, a chunk at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Float32, Int64, Shaped
from torch import Tensor

Rows = Float32[np.ndarray, "_ ..."]
AnyRows = Shaped[np.ndarray, "_ ..."]

_CHUNK = 4096


def chunks(rows: AnyRows) -> Iterator[tuple[slice, Rows]]:
    """Where each chunk lies, and a float32 copy of it, which torch may share."""
    for start in range(0, len(rows), _CHUNK):
        place = slice(start, min(start + _CHUNK, len(rows)))
        yield place, np.array(rows[place], dtype=np.float32)


def gather(rows: AnyRows, chosen: Int64[np.ndarray, " batch"], buffer: Rows) -> Rows:
    """The chosen rows, in the first places of `buffer`."""
    batch = buffer[: len(chosen)]
    # `clip` spares numpy a second buffer.
    np.take(rows, chosen, axis=0, out=batch, mode="clip")
    return batch


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
