"""A candidate judged against the champion, as both would be served."""

from __future__ import annotations

from pathlib import Path

from flows.steps.datasets import Dataset
from flows.steps.evaluation.subject import SAMPLE_SEED, sample_rows
from flows.steps.gate.cost import cost
from flows.steps.gate.quality import quality
from flows.steps.gate.rules import decide, refused, unopposed
from models.recipe import Gate
from service.release.channels import Channels
from service.release.errors import ReleaseError
from service.release.home import Home
from service.release.integrity import verify_release
from service.release.store import ReleaseStore
from service.release.verdict import Verdict
from service.runtime import ModelError, Runtime

_TIMED_ROWS = 64


def judge(candidate: Runtime, folder: Path, dataset: Dataset, gate: Gate, home: Home) -> Verdict:
    """Compare a complete draft with the champion of its home, on the draft's own held-out rows.

    Args:
        candidate: the draft, loaded.
        folder: where it lies.
        dataset: what it was learned from; neither side has learned from its held-out rows.
        gate: the rules.
        home: whose champion is compared with.
    """
    champion = Channels(home).read().champion
    if champion is None:
        return unopposed()
    try:
        candidate.reproduce_golden()
    except ModelError as error:
        return refused(champion, str(error))
    store = ReleaseStore(home)
    try:
        place = store.folder(champion)
        manifest = verify_release(place)
        opponent = Runtime.load(place, manifest, device=candidate.device)
    except (ReleaseError, ModelError) as error:
        # One that cannot be served is no reason to stay without a model.
        return Verdict(passed=True, champion=champion, reasons=(f"the champion cannot be served: {error}",))
    theirs, ours = manifest.input.shape, candidate.manifest.input.shape
    if theirs != ours:
        return refused(champion, f"rows of shape {ours} cannot be compared with the champion's of shape {theirs}")
    split = f"test split of {dataset.record.fingerprint[:16]}"
    rows = sample_rows(dataset, "test", SAMPLE_SEED, _TIMED_ROWS)
    of_quality = list(quality(candidate, opponent, dataset, gate.tolerance))
    of_cost = list(cost((candidate, folder), (opponent, place), rows, gate))
    return decide(champion, of_quality, of_cost, gate, split)
