"""From trained weights to a published release."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from flows.steps.card import store_card
from flows.steps.datasets import Dataset
from flows.steps.evaluation import Subject, measured
from flows.steps.gate import judge
from flows.steps.onnx_export import export_classifier, export_networks
from flows.steps.phases import PHASES_FILE, read_phases, write_phases
from flows.steps.release_contents import Lineage, complete_release, draw_figures, space_of
from flows.steps.sampling_contents import is_contractive
from flows.steps.training import load_classifier, load_stack, preprocessing_of
from flows.steps.training_state import WEIGHTS_FILE, finished, state_key
from flows.steps.variants import store_variants
from flows.steps.walk_export import export_walk
from models.recipe import Recipe
from service.release.home import Home
from service.release.manifest import Manifest
from service.release.store import ReleaseStore
from service.runtime import Runtime

CLASSIFIER_WEIGHTS_FILE = "classifier.safetensors"
_CHECKED_ROWS = 7

LineageOf = Callable[[str], Lineage]
"""What the caller knows of a release, given its space."""


def export_step(
    dataset: Dataset, recipe: Recipe, stack_folder: Path, home: Path, classifier_folder: Path | None = None
) -> Path:
    """The networks as ONNX, and the walk of contractive kinds, checked against torch, in a folder beside the
    training's own.

    Args:
        dataset: for real rows to compare with.
        recipe: what was trained.
        stack_folder: of the stack's weights.
        home: `MANIFOLD_HOME`.
        classifier_folder: of the classifier's weights, where supervised fine-tuning made one.

    Raises:
        ExportError: a graph is not what torch computes.
        TrainingStateError: the weights are missing or damaged.
    """

    def make(folder: Path) -> None:
        stack = load_stack(dataset, recipe, stack_folder)
        rows = dataset.rows("test")[:_CHECKED_ROWS].astype(np.float32)
        preprocessing = preprocessing_of(dataset, recipe)
        export_networks(preprocessing, stack, rows, folder)
        if is_contractive(recipe):
            export_walk(preprocessing, stack, rows, folder)
        shutil.copyfile(stack_folder / WEIGHTS_FILE, folder / WEIGHTS_FILE)
        if classifier_folder is not None:
            classifier = load_classifier(dataset, recipe, classifier_folder)
            export_classifier(preprocessing, classifier, rows, folder)
            shutil.copyfile(classifier_folder / WEIGHTS_FILE, folder / CLASSIFIER_WEIGHTS_FILE)
        write_phases(read_phases(*(one for one in (stack_folder, classifier_folder) if one is not None)), folder)

    # A folder's name stands for data, recipe and weights; what was exported before there were walks has none.
    made_from: dict[str, object] = {"stack": stack_folder.name}
    if is_contractive(recipe):
        made_from["walk"] = True
    if classifier_folder is not None:
        made_from["classifier"] = classifier_folder.name
    return finished(home, state_key("onnx", made_from), make)[0]


def publish_step(dataset: Dataset, recipe: Recipe, exported: Path, home: Home, lineage: LineageOf) -> Manifest:
    """Measure the exported graphs, judge them against the champion, add all that a release holds, and publish it whole.

    Args:
        dataset: what was learned from.
        recipe: what was trained.
        exported: the folder of the graphs.
        home: where releases lie.
        lineage: gives version, time, parent and flow run for a space.

    Raises:
        PublishError: the disk refused; nothing of the release is left.
    """
    store = ReleaseStore(home)
    with store.draft() as draft:
        # What it says of the training goes into the manifest.
        shutil.copytree(exported, draft, dirs_exist_ok=True, ignore=shutil.ignore_patterns(PHASES_FILE))
        scale = error_scale(dataset, recipe)
        known = lineage(space_of(draft / "encoder.onnx"))
        manifest = complete_release(draft, dataset, recipe, scale, known, read_phases(exported))
        runtime = Runtime.load(draft, manifest, device="cpu")
        stack = load_stack(dataset, recipe, exported)
        manifest = measured(Subject(runtime, dataset, recipe, preprocessing_of(dataset, recipe), stack))
        verdict = judge(runtime, draft, dataset, recipe.gate, home)
        manifest = manifest.model_copy(update={"gate": verdict})
        draw_figures(draft, manifest)
        variants = store_variants(draft, manifest, dataset, recipe)
        manifest = manifest.model_copy(update={"variants": variants})
        store_card(draft, manifest)
        return store.publish(draft, manifest)


def error_scale(dataset: Dataset, recipe: Recipe) -> tuple[float, ...]:
    """What one unit of reconstruction error is: the scale that the network itself learned in."""
    scale = preprocessing_of(dataset, recipe).scale.reshape(-1)
    return tuple(float(value) for value in scale)
