"""What is exported is what was learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from flows.steps.onnx_export import export_networks
from models.objectives import layer_objective
from models.preprocessing import build_preprocessing
from models.pretraining import pretrain_layer
from models.recipe import parse_recipe
from models.stack import build_stack
from service.sessions import open_session, run_session


def test_tied_weights_are_still_tied_after_training_and_export(tmp_path: Path) -> None:
    recipe = parse_recipe(
        {
            "name": "tied",
            "kind": "ae",
            "layers": [3],
            "code_activation": "linear",
            "output_activation": "linear",
            "tied_weights": True,
            "pretraining": {"epochs": 3, "optimiser": {"learning_rate": 0.05}},
        }
    )
    rows = np.random.default_rng(0).random((40, 5), dtype=np.float32)
    stack = build_stack(recipe, (5,))
    before = stack.pairs[0].weight.detach().clone()
    objective, settings = layer_objective(recipe, 0), recipe.pretraining
    pretrain_layer(stack.pairs[0], rows, rows, objective=objective, settings=settings, seed=0, layer_index=0)
    assert not torch.equal(stack.pairs[0].weight, before)
    span = {"minimum": [0.0], "maximum": [1.0], "mean": [0.5], "standard_deviation": [0.3]}
    export_networks(build_preprocessing(recipe, (5,), **span), stack, rows[:7], tmp_path)

    def weight(name: str, argument: str, output: str, size: int) -> np.ndarray:
        """The weight of an exported linear layer, from its answers to unit vectors."""
        session = open_session(tmp_path / f"{name}.onnx", "cpu", 1)
        units = np.concatenate([np.zeros((1, size), np.float32), np.eye(size, dtype=np.float32)])
        bias, *answers = run_session(session, argument, output, units)
        columns: np.ndarray = np.stack(answers) - bias
        return columns

    down, up = weight("encoder", "x", "z", 5), weight("decoder", "z", "x", 3)
    np.testing.assert_allclose(down, up.T, atol=1e-6)
    np.testing.assert_allclose(up, stack.pairs[0].weight.detach().numpy(), atol=1e-6)
