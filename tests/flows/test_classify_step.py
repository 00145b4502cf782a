"""What supervised fine-tuning starts from: pre-trained layers, or the recipe's initial weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from flows.steps.datasets import PrepareSettings, prepare_dataset
from flows.steps.recipes import load_recipe
from flows.steps.training import classify_step, pretrain_step, scale_dataset
from flows.steps.training_state import load_weights
from models.classifier import build_classifier

# So small a rate that the weights stay where they start.
_STANDING = "{name: sgd, learning_rate: 1e-30}"
_SETTINGS = (
    "layers=[12,6]",
    "pretraining.minimum_steps=0",
    "fine_tuning.epochs=0",
    "supervised_fine_tuning.epochs=1",
    f"supervised_fine_tuning.optimiser={_STANDING}",
)


@pytest.mark.parametrize("epochs", [0, 2])
def test_a_classifier_starts_from_the_layers_below_it_which_unlearned_are_the_recipes_initial_weights(
    tmp_path: Path, epochs: int
) -> None:
    recipe = load_recipe("sae", [*_SETTINGS, f"pretraining.epochs={epochs}"])
    dataset = prepare_dataset("digits", home=tmp_path, data_folder=tmp_path, settings=PrepareSettings())
    rows = scale_dataset(dataset, recipe, tmp_path)
    layers: list[Path] = []
    for index in range(2):
        layers.append(pretrain_step(dataset, recipe, index, layers[-1] if layers else rows, tmp_path)[0])
    start = load_weights(classify_step(dataset, recipe, rows, layers, tmp_path)[0])
    unlearned = load_weights(classify_step(dataset, recipe, rows, [], tmp_path)[0])

    initial = build_classifier(recipe, dataset.record.shape, 10).state_dict()
    assert start.keys() == initial.keys()
    for name, tensor in initial.items():
        torch.testing.assert_close(unlearned[name], tensor, rtol=0, atol=1e-12)
        *stack, parameter = name.split(".")
        below = load_weights(layers[int(stack[-1])])[parameter] if stack[0] == "stack" else tensor
        torch.testing.assert_close(start[name], below, rtol=0, atol=1e-12)
        # Biases start from 0: what was learned has moved them, too.
        assert torch.equal(below, tensor) == (epochs == 0 or stack[0] == "head"), name
