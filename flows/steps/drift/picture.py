"""The picture of drift: the usual row and today's, what differs, and what there is more and less of."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from jaxtyping import Float32, UInt8

from flows.steps.drift.changes import Changes, Share
from flows.steps.drift.finding import Drift
from flows.steps.figures import Look
from flows.steps.figures.sheet import draw_sheet
from flows.steps.figures.tiles import Tiles
from service.runtime import Runtime


def draw_changes(drift: Drift, changes: Changes, runtime: Runtime) -> bytes | None:
    """A PNG; None of vectors, which are better read in a table."""
    stated = runtime.manifest.input
    if stated.kind != "image":
        return None
    look = Look.of_images(stated.minimum, stated.maximum)
    means = look.tiles(np.stack([changes.usual, changes.today]))
    difference = _difference(changes.today - changes.usual)
    first = [
        Tiles("decoded mean of the code", means, 2, ("usual", "today")),
        Tiles("difference: red is more, blue less", difference, 1, ("today - usual",)),
    ]
    rows = [first]
    for title, (decoded, shares) in (("more of", changes.more), ("less of", changes.less)):
        if len(decoded):
            captions = tuple(_caption(share) for share in shares)
            rows.append([Tiles(f"{title}: centres of cells of the code", look.tiles(decoded), len(decoded), captions)])
    title = (
        f"{drift.sketch.rows:,} rows of today beside {drift.reference.sketch.rows:,} of the {drift.reference.split} "
        f"split of release {drift.release}"
    )
    return draw_sheet(title, rows)


def _difference(shift: Float32[np.ndarray, "..."]) -> UInt8[np.ndarray, "one height width 3"]:
    """Where today's mean is brighter, in red, and where it is darker, in blue; the mean over channels."""
    grey = shift.astype(np.float64) if shift.ndim == 2 else shift.astype(np.float64).mean(-1)
    largest = float(np.abs(grey).max()) or 1.0
    coloured = mpl.colormaps["RdBu_r"]((grey / largest + 1) / 2)[..., :3]
    difference: UInt8[np.ndarray, "one height width 3"] = np.rint(coloured * 255).astype(np.uint8)[None]
    return difference


def _caption(share: Share) -> str:
    return f"{share.usual:.1%} → {share.today:.1%}"
