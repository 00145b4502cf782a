"""What a release with a classifier holds and states besides `classifier.onnx`, as that graph answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from flows.steps.datasets import Dataset
from flows.steps.errors import LabelsMissingError
from service.release.manifest import Classifier, Metric
from service.sessions import open_session, run_session

ERROR_METRIC = "classification_error"
# Other processors and GPUs add up in another order: this much of a probability is rounding.
_TOLERANCE = 1e-4
_CHUNK_ROWS = 1024


@dataclass(frozen=True)
class Described:
    """What the manifest says of a classifier, and how often it errs."""

    classifier: Classifier
    error: Metric


def describe_classifier(folder: Path, dataset: Dataset) -> Described | None:
    """Measure a draft's classifier, and add its answers to the golden batch.

    Args:
        folder: a draft with `golden/x.npy`.
        dataset: with labels, and its frozen split.

    Returns:
        None where the draft has no `classifier.onnx`.

    Raises:
        LabelsMissingError: there is a classifier, and the dataset has no labels to measure it by.
        ModelLoadError: the graph cannot be loaded.
    """
    path = folder / "classifier.onnx"
    if not path.exists():
        return None
    names = dataset.record.label_names
    if names is None:
        raise LabelsMissingError(
            f"{path.name}: the dataset {dataset.folder} has no labels, expected those it was trained on"
        )
    session = open_session(path, "cpu", 1)
    golden = folder / "golden"
    p = run_session(session, "x", "p", np.load(golden / "x.npy"))
    np.save(golden / "p.npy", p, allow_pickle=False)
    classifier = Classifier(classes=p.shape[1], label_names=names, metric=ERROR_METRIC, tolerance=_TOLERANCE)
    return Described(classifier, classification_error(session, dataset))


def classification_error(session: object, dataset: Dataset) -> Metric:
    """The share of test rows whose likeliest label is another one than theirs, in percent.

    Args:
        session: of `classifier.onnx`.
        dataset: with labels; its rows are read, and held, chunk by chunk.
    """
    rows, labels = dataset.rows("test"), dataset.labels("test")
    if labels is None:
        raise LabelsMissingError(
            f"the dataset {dataset.folder} has no labels, expected some to measure a classifier by"
        )
    wrong = 0
    for start in range(0, len(rows), _CHUNK_ROWS):
        chunk: Float32[np.ndarray, "rows ..."] = rows[start : start + _CHUNK_ROWS].astype(np.float32)
        likeliest = run_session(session, "x", "p", chunk).argmax(1)
        wrong += int((likeliest != labels[start : start + _CHUNK_ROWS]).sum())
    return Metric(
        name=ERROR_METRIC,
        value=100 * wrong / len(rows),
        unit="% of rows",
        split="test",
        rows=len(rows),
        better="lower",
    )
