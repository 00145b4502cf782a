"""Short trainings of one layer that differ in nothing but corruption or penalty: what the comparisons look at.

Each is one layer of sigmoid units with tied weights, as in the papers, whatever the release's own layers are. Their
initial weights and the order of their rows are equal (`models.randomness`). Weights are kept in folders named by what
they were made from, like all of training's: a second report finds them, and an interrupted one goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from flows.steps.block_means import block_means
from flows.steps.datasets import Dataset, Split
from flows.steps.evaluation import sample_indices
from flows.steps.training import preprocessing_of, pretrain_step
from flows.steps.training_state import finished, load_weights, state_key
from models.preprocessing import scale_rows
from models.recipe import Recipe, parse_recipe
from models.stack import Stack, build_stack
from models.training import EpochReport

Progress = Callable[[str, int, int, str], None]
"""progress(step, done, total, note)"""

LEVELS = (0.0, 0.1, 0.2, 0.5)
CONTRACTIVE = "CAE"
UNITS = 256
ROWS: dict[Split, int] = {"train": 10_000, "validation": 1_000, "test": 2_000}
BATCH = 32
WEIGHT_DECAY = 0.5
_LARGEST_SIDE = 32
# Steps of one training: wider rows take no longer than 3,000 steps of MNIST's, and few rows are not seen for ever.
_STEP_INPUTS = 3_000 * 784
_MOST_STEPS, _LEAST_STEPS, _MOST_EPOCHS = 3_000, 300, 60
_SAMPLE_SEED = 0


@dataclass(frozen=True)
class Sample:
    """A bounded number of scaled rows of each split in a folder, and the dataset that describes one of them.

    shrunk: by which whole factor images were shrunk.
    """

    folder: Path
    dataset: Dataset
    shrunk: int

    def rows(self, split: Split) -> Float32[np.ndarray, "rows features"]:
        """Scaled rows, memory-mapped and copy-on-write."""
        rows: Float32[np.ndarray, "rows features"] = np.load(self.folder / f"{split}.npy", mmap_mode="c")
        return rows

    def labels(self, split: Split) -> np.ndarray | None:
        """The labels of these rows; None without."""
        labels = self.dataset.labels(split)
        return None if labels is None else labels[sample_indices(self.dataset, split, _SAMPLE_SEED, ROWS[split])]


def sample_of(dataset: Dataset, home: Path, scaling: str) -> Sample:
    """Draw and scale the rows, or find them drawn.

    Args:
        dataset: the release's own.
        home: `MANIFOLD_HOME`.
        scaling: the release's own.
    """
    record = dataset.record
    shrunk = -(-max(record.shape[:2]) // _LARGEST_SIDE) if record.kind == "image" else 1
    # A thin image keeps one pixel.
    down, across = (min(shrunk, side) for side in record.shape[:2]) if record.kind == "image" else (1, 1)
    shape = record.shape
    if shrunk > 1:
        shape = (shape[0] // down, shape[1] // across, *shape[2:])
    small = replace(dataset, record=record.model_copy(update={"shape": shape}))
    recipe = _recipe(scaling, 1, {})

    def make(folder: Path) -> None:
        preprocessing = preprocessing_of(small, recipe)
        for split, most in ROWS.items():
            rows = dataset.rows(split)[sample_indices(dataset, split, _SAMPLE_SEED, most)]
            rows = rows if down == across == 1 else block_means(rows, down, across)
            out = np.empty((len(rows), *preprocessing.scaled_shape), np.float32)
            scale_rows(preprocessing, rows, out)
            np.save(folder / f"{split}.npy", out, allow_pickle=False)

    made_from = {"data": record.fingerprint, "scaling": scaling, "shape": shape, "rows": ROWS, "seed": _SAMPLE_SEED}
    return Sample(finished(home, state_key("sample", made_from), make)[0], small, shrunk)


def train_first_layers(sample: Sample, scaling: str, home: Path, on_progress: Progress) -> Iterator[tuple[str, Path]]:
    """Train one layer at each corruption level and one contractive layer, or find them trained: name and folder.

    Args:
        sample: what is learned from.
        scaling: the release's own.
        home: `MANIFOLD_HOME`.
        on_progress: hears of each epoch.

    Raises:
        TrainingDivergedError: a loss became infinite or NaN.
    """
    for name, recipe in recipes_of(sample, scaling).items():
        step = f"comparison: {name}"

        def on_epoch(report: EpochReport, step: str = step) -> None:
            note = f"loss {report.loss:.4g}, validation {report.validation_loss:.4g}"
            on_progress(step, report.epoch, report.epochs, note)

        folder, reused = pretrain_step(sample.dataset, recipe, 0, sample.folder, home, on_epoch)
        if reused:
            on_progress(step, 1, 1, "finished before, used as it is")
        yield name, folder


def recipes_of(sample: Sample, scaling: str) -> dict[str, Recipe]:
    """The recipes that are compared: one a corruption level, and the contractive one."""
    steps = steps_of(sample)
    recipes = {
        level_name(level): _recipe(
            scaling, steps, {"kind": "dae", "corruption": {"kind": "masking", "level": level}} if level else {}
        )
        for level in LEVELS
    }
    contraction = {"kind": "analytic", "weight": 0.1}
    return recipes | {CONTRACTIVE: _recipe(scaling, steps, {"kind": "cae", "contraction": contraction})}


def level_name(level: float) -> str:
    """The name of a model by its corruption level."""
    return f"DAE {level:.0%}" if level else "AE"


def open_layer(sample: Sample, recipe: Recipe, folder: Path) -> Stack:
    """A trained layer as a stack of one, on the CPU.

    Raises:
        TrainingStateError: its weights are missing or damaged.
    """
    stack = build_stack(recipe, sample.dataset.record.shape)
    stack.pairs[0].load_state_dict(load_weights(folder))
    return stack.eval()


def steps_of(sample: Sample) -> int:
    """How many steps each training takes at the least."""
    rows, features = sample.rows("train").shape
    wanted = int(np.clip(_STEP_INPUTS // features, _LEAST_STEPS, _MOST_STEPS))
    return int(min(wanted, _MOST_EPOCHS * -(-rows // BATCH)))


def _recipe(scaling: str, steps: int, differs: dict[str, object]) -> Recipe:
    pixels = scaling == "range"
    return parse_recipe(
        {
            "name": "comparison",
            "kind": "ae",
            "layers": [UNITS],
            "activation": "sigmoid",
            "code_activation": "sigmoid",
            "output_activation": "sigmoid" if pixels else "linear",
            "tied_weights": True,
            "loss": "binary_cross_entropy" if pixels else "squared_error",
            "scaling": scaling,
            "pretraining": {
                "epochs": 1,
                "minimum_steps": steps,
                "batch_size": BATCH,
                # Without decay the initial weights' noise stays where training does not reach, and hides the filters.
                "optimiser": {
                    "name": "adam",
                    "learning_rate": 2e-3,
                    "schedule": "cosine",
                    "weight_decay": WEIGHT_DECAY,
                },
            },
            "fine_tuning": {"epochs": 0},
            "seed": 0,
            **differs,
        }
    )
