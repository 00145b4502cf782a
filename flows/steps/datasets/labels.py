"""What supervised fine-tuning needs of a source: labels, and more than one."""

from __future__ import annotations

import numpy as np

from flows.steps.datasets.choosing import source_at
from flows.steps.datasets.dataset import Dataset
from flows.steps.errors import LabelsMissingError

_EXPECTED = (
    "expected labels: a table with label_column, a .npz with an array y, a folder of images in sub-folders, "
    "mnist, fashion-mnist or digits; or supervised_fine_tuning.epochs=0"
)


def demand_label_source(source: str, label_column: str | None) -> None:
    """Refuse a source whose rows cannot have labels, before any of it is read or downloaded.

    Args:
        source: as for `prepare_dataset`.
        label_column: likewise.

    Raises:
        LabelsMissingError: names tell already that there are no labels, or one only.
        SourceError: nothing is there, or it is of a kind that is not read.
    """
    reader = source_at(source, label_column)
    lack = None if reader is None else reader.lacks_labels()
    if lack is not None:
        raise LabelsMissingError(f"supervised_fine_tuning: {source!r} came, {lack}; {_EXPECTED}")


def demand_labels(dataset: Dataset) -> None:
    """Refuse a prepared dataset whose training rows have no labels, or all the same.

    Raises:
        LabelsMissingError: so it is.
    """
    labels, names, source = dataset.labels("train"), dataset.record.label_names, dataset.record.source
    if labels is None or names is None:
        raise LabelsMissingError(f"supervised_fine_tuning: {source!r} came, whose rows have no labels; {_EXPECTED}")
    met = np.unique(labels)
    if len(met) < 2:
        raise LabelsMissingError(
            f"supervised_fine_tuning: {source!r} came, whose training rows all have the label {names[met[0]]!r}, "
            "expected at least two labels; or supervised_fine_tuning.epochs=0"
        )
