"""What the short trainings are measured by: errors by corruption level and by depth, and singular values."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from sklearn.linear_model import RidgeClassifier
from sklearn.preprocessing import StandardScaler

from flows.steps.datasets import Dataset, Split
from flows.steps.evaluation import sample_indices
from flows.steps.figures import Point
from flows.steps.report.first_layers import ROWS, Sample, open_layer, recipes_of
from flows.steps.report.release_data import ReleaseData
from flows.steps.report.spectrum import singular_values
from flows.steps.training_state import finished, state_key

MASKED = 0.25
SPECTRUM_ROWS = 100
# Entries of the codes of one depth that are in memory at a time.
_MOST_ENTRIES = 20_000_000
_SEED = 0
_PROBED: tuple[Split, ...] = ("train", "test")


def measure_layers(sample: Sample, layers: Mapping[str, Path], scaling: str, home: Path) -> Path:
    """Measure each trained layer on the sample's test rows, or find it measured: a folder.

    It holds `errors.json`, name -> measure -> [mean, low, high], and an array `spectrum-NAME.npy` of each.

    Raises:
        TrainingStateError: a layer's weights are missing or damaged.
    """
    recipes = recipes_of(sample, scaling)
    test = np.array(sample.rows("test"))
    kept = np.random.default_rng(_SEED).random(test.shape) >= MASKED
    train_labels, test_labels = sample.labels("train"), sample.labels("test")

    def make(folder: Path) -> None:
        errors: dict[str, dict[str, tuple[float, float, float]]] = {}
        for name, layer in layers.items():
            stack = open_layer(sample, recipes[name], layer)
            with torch.no_grad():
                rebuilt = {key: stack(torch.from_numpy(x)).numpy() for key, x in _inputs(test, kept).items()}
                codes = stack.encode(torch.from_numpy(test)).numpy()
            found = {key: mean_point(np.square(rows - test).sum(1)) for key, rows in rebuilt.items()}
            if train_labels is not None and test_labels is not None:
                found["probe"] = probe_error(np.load(layer / "train.npy"), train_labels, codes, test_labels)
            errors[name] = found
            spectrum = singular_values(stack, test[:SPECTRUM_ROWS]).mean(0)
            np.save(folder / f"spectrum-{name}.npy", spectrum, allow_pickle=False)
        (folder / "errors.json").write_text(json.dumps(errors, indent=2))

    made_from = {"layers": [layer.name for layer in layers.values()], "masked": MASKED, "rows": SPECTRUM_ROWS}
    return finished(home, state_key("measured", made_from), make)[0]


def errors_by_depth(release: ReleaseData, dataset: Dataset, home: Path) -> tuple[list[Point], int] | None:
    """What a linear probe gets wrong on the inputs (depth 0) and on each layer's code, and on how many test rows.

    Every error is a share of the test rows with its 95 % interval. None without labels.
    """
    if dataset.record.label_names is None:
        return None

    def make(folder: Path) -> None:
        depths = range(len(release.manifest.code.layers) + 1)
        (folder / "depths.json").write_text(json.dumps([_probe_at(release, dataset, depth) for depth in depths]))

    made_from = {"space": release.manifest.space_id, "data": dataset.record.fingerprint, "rows": ROWS}
    folder = finished(home, state_key("depths", made_from), make)[0]
    found = json.loads((folder / "depths.json").read_text())
    points = [Point(depth, *values) for depth, values in enumerate(found)]
    return points, min(ROWS["test"], dataset.record.rows["test"])


def mean_point(values: Float[np.ndarray, " rows"]) -> tuple[float, float, float]:
    """Mean of rows' values with its 95 % interval: mean, low, high."""
    mean, reach = float(values.mean()), 1.96 * float(values.std()) / math.sqrt(len(values))
    return mean, mean - reach, mean + reach


def share_point(wrong: int, rows: int) -> tuple[float, float, float]:
    """A share of rows with its 95 % interval (Wilson 1927): share, low, high."""
    share, z = wrong / rows, 1.96
    centre = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
    reach = z / (1 + z**2 / rows) * math.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    return share, min(share, centre - reach), max(share, centre + reach)


def probe_error(
    train: Float[np.ndarray, "train d"],
    train_labels: Int64[np.ndarray, " train"],
    test: Float[np.ndarray, "test d"],
    test_labels: Int64[np.ndarray, " test"],
) -> tuple[float, float, float]:
    """What a linear probe, fitted by least squares to standardised codes, gets wrong: share of test rows, low, high."""
    scaler = StandardScaler().fit(train)
    if len(np.unique(train_labels)) < 2:
        predicted: np.ndarray = np.full(len(test), train_labels[0])
    else:
        predicted = RidgeClassifier().fit(scaler.transform(train), train_labels).predict(scaler.transform(test))
    return share_point(int(np.sum(predicted != test_labels)), len(test))


def _probe_at(release: ReleaseData, dataset: Dataset, depth: int) -> tuple[float, float, float]:
    """Depth 0 is the input itself."""
    layers = release.manifest.code.layers
    width = layers[depth - 1].width if depth else math.prod(release.manifest.input.shape)
    sides = []
    for split in _PROBED:
        most = min(ROWS[split], max(100, _MOST_ENTRIES // width))
        chosen = sample_indices(dataset, split, _SEED, most)
        rows, labels = dataset.rows(split)[chosen].astype(np.float32), dataset.labels(split)
        codes = release.runtime.encode(rows, depth) if depth else rows.reshape(len(rows), -1)
        assert labels is not None  # noqa: S101 - the caller saw to it
        sides += [codes, labels[chosen]]
    return probe_error(*sides)


def _inputs(test: Float[np.ndarray, "rows d"], kept: np.ndarray) -> dict[str, Float64[np.ndarray, "rows d"]]:
    return {"clean": test, "masked": test * kept}
