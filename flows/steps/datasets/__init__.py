"""From a source to a dataset on disk.

    source string ─ choosing ─> mnist | digits | images | arrays | tables     (source: what each reader gives)
        ─ fingerprint ─> the same as before? opened and done
        ─ collecting ─> one raw file of rows ─ screening ─> bad rows and columns ─ splitting ─> three splits
        ─ writing ─> train, validation and test as .npy with a record, renamed into place when complete

`prepare_dataset` is the way in and `open_dataset` the way back. Rows stay in the units they
came in: scaling belongs to the network. May import numpy, pyarrow, Pillow and scikit-learn; torchvision only
inside `mnist`, when its images are read. Must never import prefect.
"""

from flows.steps.datasets.choosing import demand_source
from flows.steps.datasets.dataset import Dataset, open_dataset
from flows.steps.datasets.fingerprint import look_at_source
from flows.steps.datasets.labels import demand_label_source, demand_labels
from flows.steps.datasets.preparation import prepare_dataset
from flows.steps.datasets.record import DatasetRecord, PrepareSettings, Split, Statistics

__all__ = [
    "Dataset",
    "DatasetRecord",
    "PrepareSettings",
    "Split",
    "Statistics",
    "demand_label_source",
    "demand_labels",
    "demand_source",
    "look_at_source",
    "open_dataset",
    "prepare_dataset",
]
