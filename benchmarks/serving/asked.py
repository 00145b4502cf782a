"""The requests of each trial: in the convention of the side that is asked, with the answer that is expected."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.serving.limits import Limit
from benchmarks.serving.sides import OURS, OURS_BY_TWO, PEERS
from benchmarks.serving.subjects import Floats, Subject, as_json, as_npy, as_protocol, pixel_rows
from benchmarks.serving.trials import Kind, Trial

_ROWS: dict[Kind, int] = {"64 json": 64, "64 npy": 64, "64 codes": 64}


class Limits:
    """What ONNX Runtime answers in this process to each kind of request, and how quickly: the same rows, the same file.

    Args:
        release: the champion's folder.
    """

    def __init__(self, release: Path) -> None:
        self._release = release
        self._known: dict[tuple[str, int], Limit] = {}

    def of(self, kind: Kind) -> Limit:
        """The limit of a kind; its `answer` is what every side must answer."""
        count = _ROWS.get(kind, 1)
        graph = "decoder" if kind == "64 codes" else "encoder"
        if (graph, count) not in self._known:
            argument, output = ("z", "x") if graph == "decoder" else ("x", "z")
            self._known[graph, count] = Limit(self._release / f"{graph}.onnx", argument, output, self.rows(kind))
        return self._known[graph, count]

    def rows(self, kind: Kind) -> Floats:
        """What is sent: pixels; or, to generate, the codes of some."""
        if kind == "64 codes":
            return self.of("64 npy").answer
        return pixel_rows(_ROWS.get(kind, 1), seed=5).astype("float32")


def subject_of(trial: Trial, limits: Limits, headers: Mapping[str, str]) -> Subject:
    """What a side is asked.

    Args:
        headers: those that open our service.
    """
    rows = limits.rows(trial.kind)
    if trial.side in (OURS, OURS_BY_TWO):
        if trial.kind == "64 codes":
            return as_npy("/v1/generate", rows, headers)
        if "npy" in trial.kind:
            return as_npy("/v1/embed", rows, headers)
        return as_json("/v1/embed", rows.astype("uint8"), headers)
    peer, pixels = PEERS[trial.side], rows.astype("uint8")
    if peer.speaks == "protocol":
        return as_protocol(peer.path, pixels, {})
    return as_json(peer.path, pixels, {}, named=peer.speaks == "json")
