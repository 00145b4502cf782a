"""What a release states of its classifier: the labels it tells apart, its golden answers, and how often it errs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from flows.steps.datasets import Dataset
from flows.steps.errors import LabelsMissingError
from service.release.manifest import Classifier, Manifest, Metric
from service.runtime import Runtime
from service.sessions import open_session, run_session

_ERROR = "classification_error"
# Other processors and GPUs add up in another order: this much of a probability is rounding.
_TOLERANCE = 1e-4
_CHUNK_ROWS = 1024


def describe_classifier(folder: Path, dataset: Dataset) -> Classifier | None:
    """Add a classifier's answers to a draft's golden batch, and say what they are of.

    Args:
        folder: a draft with `golden/x.npy`.
        dataset: what was learned from.

    Returns:
        None where the draft has no `classifier.onnx`.

    Raises:
        LabelsMissingError: there is a classifier, and the dataset has no labels.
        ModelLoadError: the graph cannot be loaded.
    """
    path = folder / "classifier.onnx"
    if not path.exists():
        return None
    names = dataset.record.label_names
    if names is None:
        raise LabelsMissingError(f"{path.name}: {dataset.folder} has no labels, expected those it was trained on")
    golden = folder / "golden"
    p = run_session(open_session(path, "cpu", 1), "x", "p", np.load(golden / "x.npy"))
    np.save(golden / "p.npy", p, allow_pickle=False)
    return Classifier(classes=p.shape[1], label_names=names, metric=_ERROR, tolerance=_TOLERANCE)


def with_classification_error(folder: Path, manifest: Manifest, dataset: Dataset) -> Manifest:
    """The manifest with the share of all test rows whose likeliest label is wrong, in percent, among its metrics.

    It is measured through the service's own runtime; rows are read, and held, chunk by chunk. A manifest without
    classifier comes back as it is.

    Args:
        folder: the draft that the manifest is of.
        manifest: what it states.
        dataset: with its frozen split.
    """
    labels = dataset.labels("test")
    if manifest.classifier is None or labels is None:
        return manifest
    runtime = Runtime.load(folder, manifest, device="cpu")
    rows = dataset.rows("test")
    wrong = 0
    for start in range(0, len(rows), _CHUNK_ROWS):
        chunk = slice(start, start + _CHUNK_ROWS)
        wrong += int(np.count_nonzero(runtime.classify(rows[chunk]).argmax(1) != labels[chunk]))
    error = Metric(
        name=manifest.classifier.metric,
        value=100 * wrong / len(rows),
        unit="% of rows",
        split="test",
        rows=len(rows),
        better="lower",
    )
    return manifest.model_copy(update={"metrics": (*manifest.metrics, error)})
