"""Whether samples look like test rows, beside real rows in their place."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32

from flows.steps.evaluation.figures import mean_of, share_of
from flows.steps.evaluation.subject import SAMPLE_SEED, Subject
from models.measures.sample_quality import sample_quality
from service.release.manifest import Metric

_ROWS = 2_000


def sample_metrics(subject: Subject) -> Iterator[Metric]:
    """Precision, recall, density and coverage of samples as the service draws them, in the space of the rows.

    The same figures of as many validation rows (`_of_rows`) say what a perfect sampler would get from so few.
    """
    rows = min(_ROWS, *(subject.dataset.record.rows[split] for split in ("validation", "test")))
    rows = subject.affordable(rows)
    if rows < 2:
        return
    real = subject.flat(subject.rows("test", rows))
    drawn = subject.runtime.decode(subject.runtime.sample(rows, SAMPLE_SEED))
    yield from _quality("", real, subject.flat(drawn))
    yield from _quality("_of_rows", real, subject.flat(subject.rows("validation", rows)))


def _quality(
    suffix: str, real: Float32[np.ndarray, "rows x"], samples: Float32[np.ndarray, "samples x"]
) -> Iterator[Metric]:
    quality = sample_quality(real, samples)
    near = f"{quality.neighbours} neighbours"
    of_samples, of_real = f"{near}; given the test rows", f"{near}; given the samples"
    rows = len(samples)
    yield share_of(f"sample_precision{suffix}", quality.precision, "test", rows, "higher", of_samples)
    yield share_of(f"sample_recall{suffix}", quality.recall, "test", len(real), "higher", of_real)
    # Crowded samples have more than 1, as few have less.
    unit = "test rows near a sample, over neighbours"
    yield mean_of(f"sample_density{suffix}", quality.within, unit, "test", "neither", of_samples)
    yield share_of(f"sample_coverage{suffix}", quality.coverage, "test", len(real), "higher", of_real)
