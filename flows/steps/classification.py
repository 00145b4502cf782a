"""What a release states of its classifier: the labels it tells apart, and its golden answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from flows.steps.datasets import Dataset
from flows.steps.errors import LabelsMissingError
from service.release.manifest import Classifier
from service.sessions import open_session, run_session

# The name of the figure that says how often the likeliest label is wrong.
CLASSIFICATION_ERROR = "classification_error"
# Other processors and GPUs add up in another order: this much of a probability is rounding.
_TOLERANCE = 1e-4


def describe_classifier(folder: Path, dataset: Dataset) -> Classifier | None:
    """Add a classifier's answers to a draft's golden batch, and say what they are of.

    Args:
        folder: a draft with `golden/x.npy`.
        dataset: what was learned from.

    Returns:
        None where the draft has no `classifier.onnx`. It names no metric: nothing is measured yet.

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
    return Classifier(classes=p.shape[1], label_names=names, tolerance=_TOLERANCE)
