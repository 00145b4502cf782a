"""What the short trainings are measured by: errors by corruption level and by depth, and singular values."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64

from flows.steps.datasets import Dataset, Split
from flows.steps.evaluation import sample_indices
from flows.steps.figures import Point
from flows.steps.report.first_layers import Sample, open_layer, recipes_of
from flows.steps.report.release_data import ReleaseData
from flows.steps.training_state import finished, state_key
from models.measures.intervals import Interval, mean_interval, share_interval
from models.measures.jacobian_spectrum import singular_values
from models.measures.labels import linear_probe

MASKED = 0.25
SPECTRUM_ROWS = 100
# Entries of the codes of one depth that are in memory at a time.
_MOST_ENTRIES = 20_000_000
_SEED = 0
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
# A probe's time grows with its rows; its interval comes from the test rows.
PROBED: dict[Split, int] = {"train": 3_000, "validation": 1_000, "test": 2_000}

Labelled = tuple[Float[np.ndarray, "_ d"], Int64[np.ndarray, "_"]]


def measure_layers(sample: Sample, layers: Mapping[str, Path], scaling: str, home: Path) -> Path:
    """Measure each trained layer on the sample's test rows, or find it measured: a folder.

    It holds `errors.json`, name -> measure -> [mean, low, high], and an array `spectrum-NAME.npy` of each.

    Raises:
        TrainingStateError: a layer's weights are missing or damaged.
    """
    recipes = recipes_of(sample, scaling)
    test = np.array(sample.rows("test"))
    kept = np.random.default_rng(_SEED).random(test.shape) >= MASKED
    labelled = _has_labels(sample.dataset)

    def make(folder: Path) -> None:
        errors: dict[str, dict[str, tuple[float, float, float]]] = {}
        for name, layer in layers.items():
            stack = open_layer(sample, recipes[name], layer)
            with torch.no_grad():
                rebuilt = {key: stack(torch.from_numpy(x)).numpy() for key, x in _inputs(test, kept).items()}
                codes = stack.encode(torch.from_numpy(test)).numpy()
            found = {key: mean_point(np.square(rows - test).sum(1)) for key, rows in rebuilt.items()}
            if labelled:
                # Training left the clean codes of its rows beside its weights.
                sides = {split: np.load(layer / f"{split}.npy") for split in SPLITS if split != "test"} | {
                    "test": codes
                }
                found["probe"] = probe_error(*(_labelled(sample, split, sides[split]) for split in SPLITS))
            errors[name] = found
            spectrum = singular_values(stack, test[:SPECTRUM_ROWS]).mean(0)
            np.save(folder / f"spectrum-{name}.npy", spectrum, allow_pickle=False)
        (folder / "errors.json").write_text(json.dumps(errors, indent=2))

    made_from = {"layers": [layer.name for layer in layers.values()], "masked": MASKED, "rows": [SPECTRUM_ROWS, PROBED]}
    return finished(home, state_key("measured", made_from), make)[0]


def errors_by_depth(release: ReleaseData, dataset: Dataset, home: Path) -> tuple[list[Point], dict[Split, int]] | None:
    """What a linear probe gets wrong on the inputs (depth 0) and on each layer's code, and how many rows it used.

    The same rows at all depths; every error is a share of the test rows with its 95 % interval. None where there are
    not at least two labels.
    """
    if not _has_labels(dataset):
        return None
    layers = release.manifest.code.layers
    widest = max(math.prod(release.manifest.input.shape), *(layer.width for layer in layers))
    rows = {split: min(dataset.record.rows[split], rows_probed(split, widest)) for split in SPLITS}

    def make(folder: Path) -> None:
        depths = range(len(layers) + 1)
        (folder / "depths.json").write_text(json.dumps([_probe_at(release, dataset, rows, d) for d in depths]))

    made_from = {"space": release.manifest.space_id, "data": dataset.record.fingerprint, "rows": rows}
    folder = finished(home, state_key("depths", made_from), make)[0]
    found = json.loads((folder / "depths.json").read_text())
    points = [Point(float(depth), *values) for depth, values in enumerate(found)]
    return points, rows


def rows_probed(split: Split, widest: int) -> int:
    """How many rows of a split a probe uses at most, if its widest codes have so many units."""
    return min(PROBED[split], max(100, _MOST_ENTRIES // widest))


def mean_point(values: Float[np.ndarray, " rows"]) -> tuple[float, float, float]:
    """Mean of rows' values with its 95 % interval: mean, low, high."""
    return _with(float(values.mean()), mean_interval(values.astype(np.float64)))


def probe_error(train: Labelled, validation: Labelled, test: Labelled) -> tuple[float, float, float]:
    """What a linear probe gets wrong: share of test rows with its 95 % interval, low and high.

    Args:
        train: codes and their labels.
        validation: likewise; decides how strongly the probe is regularised.
        test: likewise.
    """
    rows = len(test[1])
    wrong = round(rows * (1 - linear_probe(train, validation, test).accuracy))
    return _with(wrong / rows, share_interval(wrong, rows))


def _with(value: float, interval: Interval | None) -> tuple[float, float, float]:
    return (value, value, value) if interval is None else (value, interval.low, interval.high)


def _probe_at(
    release: ReleaseData, dataset: Dataset, most: Mapping[Split, int], depth: int
) -> tuple[float, float, float]:
    """Depth 0 is the input itself."""
    sides = []
    for split in SPLITS:
        chosen = sample_indices(dataset, split, _SEED, most[split])
        rows, labels = dataset.rows(split)[chosen].astype(np.float32), dataset.labels(split)
        codes = release.runtime.encode(rows, depth) if depth else rows.reshape(len(rows), -1)
        assert labels is not None  # noqa: S101 - the caller saw to it
        sides.append((codes, labels[chosen]))
    return probe_error(*sides)


def _inputs(test: Float[np.ndarray, "rows d"], kept: np.ndarray) -> dict[str, Float32[np.ndarray, "rows d"]]:
    return {"clean": test, "masked": test * kept}


def _has_labels(dataset: Dataset) -> bool:
    """Whether the training rows have at least two labels."""
    labels = dataset.labels("train")
    return labels is not None and len(np.unique(labels)) > 1


def _labelled(sample: Sample, split: Split, codes: Float[np.ndarray, "rows d"]) -> Labelled:
    labels = sample.labels(split)
    assert labels is not None  # noqa: S101 - the caller saw to it
    return codes[: PROBED[split]], labels[: PROBED[split]]
