"""What today's data are more of: the shift of the code's mean, decoded, and the cells that gained and lost rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from flows.steps.drift.comparing import by_group
from flows.steps.drift.finding import Drift
from service.drift.sketch import Doubles
from service.runtime import Runtime

_MOST_CELLS = 6
_MOST_FEATURES = 10


@dataclass(frozen=True)
class Share:
    """How many of the rows are in one cell, or look like one label: usually, and today."""

    name: str
    usual: float
    today: float

    @property
    def change(self) -> float:
        """In standard errors of the usual share, but for the number of rows."""
        return float((self.today - self.usual) / np.sqrt(max(self.usual, 1e-3)))


@dataclass(frozen=True)
class Changes:
    """What has changed, in rows.

    usual, today: the decoded means of the codes, (*shape), in the data's own units. more, less: the decoded centres of
    cells that gained and lost most, (n, *shape), and their shares. labels: of every label; empty without labels.
    """

    usual: Float32[np.ndarray, "..."]
    today: Float32[np.ndarray, "..."]
    more: tuple[Float32[np.ndarray, "n ..."], tuple[Share, ...]]
    less: tuple[Float32[np.ndarray, "n ..."], tuple[Share, ...]]
    labels: tuple[Share, ...]


def changes_of(drift: Drift, runtime: Runtime) -> Changes:
    """What rows that came are more of, and less of.

    Args:
        drift: of a check that had rows.
        runtime: the release, loaded.

    Raises:
        ValueError: the release does not keep the spread of its codes, or their cells.
        ModelRunError: ONNX Runtime failed.
    """
    spread = runtime.spread
    if spread is None or spread.cells is None:
        raise ValueError(f"release {drift.release} keeps no cells")

    def decoded(whitened: Doubles) -> Float32[np.ndarray, "n ..."]:
        return runtime.decode((whitened @ spread.cholesky.T + spread.mean).astype(np.float32))

    usual, today = drift.reference.sketch.sketch(), drift.sketch
    means = decoded(np.stack([usual.mean, today.mean]))
    shares = _shares(usual.cells, today.cells, [str(number) for number in range(len(usual.cells))])
    order = np.argsort([share.change for share in shares])
    more = [number for number in order[::-1][:_MOST_CELLS] if shares[number].change > 0]
    less = [number for number in order[:_MOST_CELLS] if shares[number].change < 0]
    more_rows, less_rows = (decoded(spread.cells[np.asarray(some, np.int64)]) for some in (more, less))
    names = runtime.manifest.data.label_names
    labels: tuple[Share, ...] = ()
    if drift.reference.labelled and names is not None:
        groups = np.asarray(drift.reference.groups)
        labels = _shares(by_group(usual.cells, groups), by_group(today.cells, groups), names)
    return Changes(
        means[0],
        means[1],
        (more_rows, tuple(shares[number] for number in more)),
        (less_rows, tuple(shares[number] for number in less)),
        tuple(sorted(labels, key=lambda share: -abs(share.change))),
    )


def features_most_changed(changes: Changes, runtime: Runtime) -> list[tuple[str, float, float, float]]:
    """Of vectors: the features whose decoded mean moved most. Name, usual, today, and the shift in the release's units
    of error."""
    stated = runtime.manifest.input
    scale = np.broadcast_to(np.asarray(stated.scale, np.float64), changes.usual.shape)
    shift = (changes.today - changes.usual) / scale
    names = stated.columns or tuple(f"feature {number}" for number in range(1, len(shift) + 1))
    most = np.argsort(-np.abs(shift), kind="stable")[:_MOST_FEATURES]
    return [(names[at], float(changes.usual[at]), float(changes.today[at]), float(shift[at])) for at in most]


def _shares(usual: np.ndarray, today: np.ndarray, names: list[str] | tuple[str, ...]) -> tuple[Share, ...]:
    before, after = usual / max(1, usual.sum()), today / max(1, today.sum())
    # A label that no training row had has no cells, and no share.
    return tuple(Share(names[at], float(before[at]), float(after[at])) for at in range(len(usual)))
