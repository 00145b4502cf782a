"""Drift: how many of the new rows the champion finds unusual."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32

from flows.steps.checks.limits import DataChecks
from flows.steps.checks.report import Finding
from flows.steps.checks.shares import TESTS, surely_more_than_known
from service.runtime import Runtime
from service.scoring import judge_scores, measure


def drift_findings(
    champion: Runtime, rows: Float32[np.ndarray, "rows ..."], checks: DataChecks
) -> Iterator[Finding | str]:
    """One finding for reconstruction and one for the code; or, in words, why there is none.

    Where nothing has moved, a share `unusual_p` of rows that were not learned from has a p of that or less. It has
    drifted where the share is larger by more than `drift`, and surely so.

    Args:
        champion: loaded.
        rows: that it has not learned from, in the data's own units.
        checks: the limits.

    Raises:
        ModelRunError: ONNX Runtime failed.
    """
    calibration, unusual = champion.manifest.calibration, checks.unusual_p
    if champion.spread is None:
        yield "drift was not looked for: the champion is of a version that does not keep the spread of its codes"
        return
    if unusual * (calibration.rows + 1) < 1:
        yield f"drift was not looked for: no p is {unusual:g} or less with {calibration.rows} rows of calibration"
        return
    measured = measure(champion, rows)
    finite = np.isfinite(measured).all(1)
    scores = judge_scores(measured[finite], calibration)
    for name, p, what in (
        ("drift of the reconstruction", scores.reconstruction_p, "are rebuilt as badly"),
        ("drift of the code", scores.latent_p, "lie as far out"),
    ):
        # What the network has no finite answer to is unusual.
        count = int((p <= unusual).sum() + (~finite).sum())
        share = count / len(rows)
        rate = checks.false_alarm_rate / TESTS
        surely = surely_more_than_known(count, len(rows), unusual, calibration.rows, rate)
        yield Finding(
            name,
            not (share > unusual + checks.drift and surely),
            f"{share:.1%} of {len(rows):,} rows {what} as {unusual:.0%} of unseen ones",
            f"at most {unusual + checks.drift:.1%}",
            "look at the new rows (manifold score); if they are right: --accept-moved-data",
            (f"median p {float(np.median(p)):.2g}",) if len(p) else (),
        )
