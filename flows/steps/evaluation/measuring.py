"""All figures of a release, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from flows.steps.classification import CLASSIFICATION_ERROR
from flows.steps.evaluation.encoder import encoder_figures
from flows.steps.evaluation.labels import classifier_metrics, label_metrics
from flows.steps.evaluation.neighbourhoods import neighbourhood_metrics
from flows.steps.evaluation.reconstruction import linear_code, reconstruction_metrics
from flows.steps.evaluation.samples import sample_metrics
from flows.steps.evaluation.subject import Subject
from service.release.manifest import Curve, Manifest, Metric


def evaluate(subject: Subject) -> Iterator[Metric | Curve]:
    """Every figure that applies to a release; the work is bounded, however many rows there are.

    Only the pass over the test rows' reconstruction grows with them, a chunk at a time; the rest looks at samples of
    fixed size, the same for every release of a dataset.
    """
    linear = linear_code(subject)
    yield from chain(
        reconstruction_metrics(subject, linear),
        label_metrics(subject, linear),
        classifier_metrics(subject),
        neighbourhood_metrics(subject, linear),
        encoder_figures(subject),
        sample_metrics(subject),
    )


def measured(subject: Subject) -> Manifest:
    """The subject's manifest with all its figures."""
    figures = list(evaluate(subject))
    metrics = tuple(figure for figure in figures if isinstance(figure, Metric))
    curves = tuple(figure for figure in figures if isinstance(figure, Curve))
    manifest = subject.runtime.manifest
    classifier = manifest.classifier
    if classifier is not None:
        is_measured = CLASSIFICATION_ERROR in {metric.name for metric in metrics}
        classifier = classifier.model_copy(update={"metric": CLASSIFICATION_ERROR if is_measured else None})
    return manifest.model_copy(update={"metrics": metrics, "curves": curves, "classifier": classifier})
