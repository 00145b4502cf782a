"""Whether neighbours stay neighbours in the code, beside PCA with as many numbers."""

from __future__ import annotations

from collections.abc import Iterator

from flows.steps.evaluation.figures import stated
from flows.steps.evaluation.subject import SAMPLE_SEED, Subject
from models.measures.neighbourhoods import neighbourhood_preservation
from models.measures.reconstruction import LinearCode
from service.release.manifest import Metric

_ROWS = 1_000
_FEWEST_ROWS = 4
_UNIT = "share, weighted by rank"


def neighbourhood_metrics(subject: Subject, linear: LinearCode | None) -> Iterator[Metric]:
    """Trustworthiness and continuity of a fixed sample of test rows."""
    rows = subject.rows("test", _ROWS)
    if len(rows) < _FEWEST_ROWS:
        return
    inputs = subject.flat(rows)
    views = {"": subject.runtime.encode(rows)}
    if linear is not None:
        views["_of_pca"] = linear.encode(inputs).astype(inputs.dtype)
    for suffix, codes in views.items():
        kept = neighbourhood_preservation(inputs, codes, seed=SAMPLE_SEED)
        note = f"{kept.neighbours} neighbours"
        for name, value, interval in (
            ("trustworthiness", kept.trustworthiness, kept.trustworthiness_interval),
            ("continuity", kept.continuity, kept.continuity_interval),
        ):
            yield stated(f"{name}{suffix}", value, _UNIT, "test", len(rows), "higher", interval, note)
