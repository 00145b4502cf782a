"""What the code is worth to somebody with labels, beside raw inputs and PCA with as many numbers; and how often a
release's own classifier errs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int64

from flows.steps.classification import CLASSIFICATION_ERROR
from flows.steps.datasets import Split
from flows.steps.datasets.record import SPLITS
from flows.steps.evaluation.figures import share_of, stated
from flows.steps.evaluation.subject import SAMPLE_SEED, Subject
from models.measures.intervals import Interval, share_interval
from models.measures.labels import linear_probe, nearest_neighbour_accuracy
from models.measures.reconstruction import LinearCode
from service.release.manifest import Metric

_NEIGHBOUR_TRAIN_ROWS = 10_000
_PROBE_TRAIN_ROWS = 5_000
_VALIDATION_ROWS = 2_000
_TEST_ROWS = 2_000
_CHUNK_ROWS = 1_024
# Numbers times labels of a probe's training rows: bounds the work where there are many labels.
_PROBE_ENTRIES = 2**26
# With fewer rows a label a probe would say more of the sample than of the code.
_PROBE_ROWS_A_LABEL = 5

Labels = Int64[np.ndarray, " rows"]
Views = dict[str, Float[np.ndarray, "rows _"]]


def label_metrics(subject: Subject, linear: LinearCode | None) -> Iterator[Metric]:
    """Accuracy of the nearest neighbour and of a linear probe; nothing where a split has no labels."""
    splits = (subject.dataset.labels(split) for split in SPLITS)
    if any(labels is None or not (labels >= 0).any() for labels in splits):
        return
    train, train_labels = _views(subject, linear, "train", _NEIGHBOUR_TRAIN_ROWS)
    test, test_labels = _views(subject, linear, "test", _TEST_ROWS)
    for suffix, codes in train.items():
        share = nearest_neighbour_accuracy(codes, train_labels, test[suffix], test_labels)
        note = f"1 neighbour among {len(codes)} training rows"
        yield share_of(f"neighbour_accuracy{suffix}", share, "test", len(test_labels), "higher", note)
    validation, validation_labels = _views(subject, linear, "validation", _VALIDATION_ROWS)
    for suffix, codes in train.items():
        rows = _probe_rows(codes.shape[1], train_labels)
        if len(np.unique(train_labels[rows])) < 2:
            continue
        probe = linear_probe(
            (codes[rows], train_labels[rows]), (validation[suffix], validation_labels), (test[suffix], test_labels)
        )
        note = f"{len(rows)} training rows, C = {probe.strength:g} chosen on {len(validation_labels)} validation rows"
        yield share_of(f"linear_probe_accuracy{suffix}", probe.accuracy, "test", len(test_labels), "higher", note)


def classifier_metrics(subject: Subject) -> Iterator[Metric]:
    """Percent of all labelled test rows whose likeliest label is wrong, as served; they pass through in chunks.

    Nothing where there is no classifier.
    """
    classifier, labels = subject.runtime.manifest.classifier, subject.dataset.labels("test")
    if classifier is None or labels is None:
        return
    test = subject.dataset.rows("test")
    known = np.flatnonzero(labels >= 0)
    wrong = 0
    for start in range(0, len(known), _CHUNK_ROWS):
        chunk = known[start : start + _CHUNK_ROWS]
        likeliest = subject.runtime.classify(test[chunk].astype(np.float32)).argmax(1)
        wrong += int(np.count_nonzero(likeliest != labels[chunk]))
    share = share_interval(wrong, len(known))
    if share is not None:
        interval = Interval(100 * share.low, 100 * share.high, share.method)
        value = 100 * wrong / len(known)
        yield stated(CLASSIFICATION_ERROR, value, "% of rows", "test", len(known), "lower", interval)


def _views(subject: Subject, linear: LinearCode | None, split: Split, most: int) -> tuple[Views, Labels]:
    """Codes, inputs and principal components of a sample's rows that have a label, with their labels."""
    every = subject.dataset.labels(split)
    assert every is not None  # noqa: S101 - asked for where there are labels
    labels = np.asarray(every[subject.indices(split, most)])
    known = labels >= 0
    rows = subject.rows(split, most)[known]
    inputs = subject.flat(rows)
    views: Views = {"": subject.runtime.encode(rows), "_of_inputs": inputs}
    if linear is not None:
        views["_of_pca"] = linear.encode(inputs).astype(np.float32)
    return views, labels[known]


def _probe_rows(size: int, labels: Labels) -> Int64[np.ndarray, " some"]:
    """Which training rows a probe learns from: none where those that are affordable would be too few."""
    different = len(np.unique(labels))
    most = min(_PROBE_TRAIN_ROWS, _PROBE_ENTRIES // (size * different))
    if most < _PROBE_ROWS_A_LABEL * different:
        most = 0
    return np.sort(np.random.default_rng(SAMPLE_SEED).permutation(len(labels))[:most])
