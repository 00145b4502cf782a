"""Pre-training and fine-tuning: determinism, exact equalities, and what each option changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import Float32
from torch import Tensor

from models.errors import ShapeError, TrainingDivergedError
from models.fine_tuning import fine_tune
from models.measures.reconstruction import pca_squared_error, squared_error_per_row
from models.objectives import fine_tuning_objective, layer_objective
from models.preprocessing import build_preprocessing, scale_rows
from models.pretraining import encode_rows, pretrain_layer
from models.recipe import Recipe, parse_recipe
from models.stack import Stack, build_stack
from models.training import EpochReport

Mapping = Callable[..., dict[str, Any]]
Digits = Float32[np.ndarray, "rows 8 8"]
Rows = Float32[np.ndarray, "rows ..."]

MASKING = {"kind": "masking", "level": 0.25}
GAUSSIAN = {"kind": "gaussian", "level": 0.2}


def scaled(recipe: Recipe, digits: Digits) -> Rows:
    preprocessing = build_preprocessing(
        recipe, (8, 8), minimum=[0.0], maximum=[16.0], mean=[4.9], standard_deviation=[6.0]
    )
    out = np.empty((len(digits), *preprocessing.scaled_shape), dtype=np.float32)
    scale_rows(preprocessing, digits, out)
    return out


def train(recipe: Recipe, digits: Digits, on_epoch: Callable[[EpochReport], None] | None = None) -> Stack:
    """Everything: greedy pre-training of each layer on the codes below, then fine-tuning."""
    rows = scaled(recipe, digits)
    stack = build_stack(recipe, (8, 8))
    inputs = rows
    for index, pair in enumerate(stack.pairs):
        pretrain_layer(
            pair,
            inputs,
            inputs[:50],
            objective=layer_objective(recipe, index),
            settings=recipe.pretraining,
            seed=recipe.seed,
            layer_index=index,
            on_epoch=on_epoch,
        )
        codes = np.empty((len(inputs), *pair.code_shape), dtype=np.float32)
        encode_rows(pair, inputs, codes)
        inputs = codes
    fine_tune(
        stack,
        rows,
        rows[:50],
        objective=fine_tuning_objective(recipe),
        settings=recipe.fine_tuning,
        seed=recipe.seed,
        on_epoch=on_epoch,
    )
    return stack


def weights(stack: Stack) -> bytes:
    return b"".join(tensor.numpy().tobytes() for tensor in stack.state_dict().values())


def small(recipe_mapping: Mapping, **fields: Any) -> Recipe:
    return parse_recipe(recipe_mapping(**{"fine_tuning": {"epochs": 1}, **fields}))


def test_every_shipped_recipe_trains_an_epoch_on_digits(shipped_recipe: dict[str, Any], digits: Digits) -> None:
    for phase in ("pretraining", "fine_tuning"):
        shipped_recipe[phase]["minimum_steps"] = 0
        shipped_recipe[phase]["epochs"] = min(1, shipped_recipe[phase]["epochs"])
    reports: list[EpochReport] = []
    recipe = parse_recipe(shipped_recipe)
    train(recipe, digits[:300], reports.append)
    greedy: list[int | None] = [index for index in range(len(recipe.layers)) for _ in range(recipe.pretraining.epochs)]
    assert [report.layer for report in reports] == greedy + [None] * recipe.fine_tuning.epochs
    assert all(np.isfinite([report.loss, report.validation_loss]).all() for report in reports)


def test_equal_seeds_give_equal_weights_byte_for_byte(recipe_mapping: Mapping, digits: Digits) -> None:
    recipe = small(recipe_mapping, kind="sdae", corruption=MASKING, fine_tuning={"epochs": 2, "corrupt": True})
    first = weights(train(recipe, digits[:200]))
    torch.manual_seed(99)
    np.random.default_rng(99)
    assert weights(train(recipe, digits[:200])) == first


def test_training_leaves_torchs_settings_and_global_random_state_alone(recipe_mapping: Mapping, digits: Digits) -> None:
    state = torch.random.get_rng_state()
    train(small(recipe_mapping, kind="dae", corruption=GAUSSIAN), digits[:100])
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    assert float(torch.tensor([1e-310], dtype=torch.float64) * 1) > 0


@pytest.mark.parametrize("kind", ["masking", "gaussian", "salt_and_pepper"])
def test_a_denoising_autoencoder_without_noise_is_the_autoencoder_bit_for_bit(
    recipe_mapping: Mapping, digits: Digits, kind: str
) -> None:
    plain = weights(train(small(recipe_mapping), digits[:200]))
    noiseless = small(recipe_mapping, kind="dae", corruption={"kind": kind, "level": 0})
    noisy = small(recipe_mapping, kind="dae", corruption={"kind": kind, "level": 0.1})
    assert weights(train(noiseless, digits[:200])) == plain
    assert weights(train(noisy, digits[:200])) != plain


def test_the_order_of_rows_depends_on_the_seed(recipe_mapping: Mapping, digits: Digits) -> None:
    recipe = small(recipe_mapping)
    rows = scaled(recipe, digits[:300])
    states = []
    for seed in (0, 0, 1):
        pair = build_stack(recipe, (8, 8)).pairs[0]
        objective, settings = layer_objective(recipe, 0), recipe.pretraining
        result = pretrain_layer(pair, rows, rows[:20], objective=objective, settings=settings, seed=seed, layer_index=0)
        states.append(result.state["weight"])
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_salt_and_pepper_take_the_extremes_of_the_rows_themselves(recipe_mapping: Mapping) -> None:
    salted = small(recipe_mapping, kind="dae", corruption={"kind": "salt_and_pepper", "level": 0.9})
    rows = np.full((20, 64), 5.0, dtype=np.float32)
    states = []
    for recipe in (small(recipe_mapping), salted):
        pair = build_stack(recipe, (8, 8)).pairs[0]
        objective, settings = layer_objective(recipe, 0), recipe.pretraining
        result = pretrain_layer(pair, rows, rows, objective=objective, settings=settings, seed=0, layer_index=0)
        states.append(result.state)
    # Between 5 and 5 there is no other extreme: the noise changes nothing.
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_tied_weights_stay_tied(recipe_mapping: Mapping, digits: Digits) -> None:
    pair = train(small(recipe_mapping, tied_weights=True, output_activation="linear"), digits[:100]).pairs[0]
    z = torch.rand(2, *pair.code_shape)
    torch.testing.assert_close(pair.decode(z) - pair.decoder_bias, z @ pair.weight)


def test_a_layer_taken_up_alone_is_the_one_of_the_whole_run(recipe_mapping: Mapping, digits: Digits) -> None:
    recipe = small(recipe_mapping, kind="sdae", corruption=MASKING, fine_tuning={"epochs": 0})
    whole = train(recipe, digits[:200])
    rows = scaled(recipe, digits[:200])
    codes = np.empty((200, 6), dtype=np.float32)
    encode_rows(whole.pairs[0], rows, codes)
    resumed = build_stack(recipe, (8, 8)).pairs[1]
    result = pretrain_layer(
        resumed,
        codes,
        codes[:50],
        objective=layer_objective(recipe, 1),
        settings=recipe.pretraining,
        seed=recipe.seed,
        layer_index=1,
    )
    expected = whole.pairs[1].state_dict()
    assert all(torch.equal(result.state[name], expected[name]) for name in expected)


def test_rows_on_disk_give_the_same_weights_as_rows_in_memory(
    recipe_mapping: Mapping, digits: Digits, tmp_path: Path
) -> None:
    recipe = parse_recipe(recipe_mapping())
    rows = scaled(recipe, digits[:200])
    np.save(tmp_path / "rows.npy", rows)
    states: list[dict[str, Tensor]] = []
    for inputs in (rows, np.load(tmp_path / "rows.npy", mmap_mode="r")):
        pair = build_stack(recipe, (8, 8)).pairs[0]
        result = pretrain_layer(
            pair,
            inputs,
            inputs[:20],
            objective=layer_objective(recipe, 0),
            settings=recipe.pretraining,
            seed=0,
            layer_index=0,
        )
        states.append(result.state)
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_a_linear_autoencoder_reaches_the_residual_of_pca(recipe_mapping: Mapping, digits: Digits) -> None:
    fine_tuning = {
        "epochs": 250,
        "batch_size": 100,
        "optimiser": {"learning_rate": 0.01, "schedule": "cosine"},
    }
    recipe = parse_recipe(
        recipe_mapping(layers=[8], code_activation="linear", output_activation="linear", fine_tuning=fine_tuning)
    )
    rows = scaled(recipe, digits[:1000])
    reconstruction = train(recipe, digits[:1000])(torch.from_numpy(rows)).detach().numpy()
    least = pca_squared_error(rows, rows, 8)
    reached = float(squared_error_per_row(rows, reconstruction).mean())
    assert least * 0.9999 < reached < least * 1.01


OPTIONS: list[dict[str, Any]] = [
    {"layers": [5, 3]},
    {"activation": "relu"},
    {"code_activation": "linear"},
    {"output_activation": "linear"},
    {"tied_weights": True},
    {"loss": "binary_cross_entropy"},
    {"output_activation": "linear", "scaling": "standard"},
    {"kind": "dae", "corruption": MASKING},
    {"kind": "dae", "corruption": {**MASKING, "level": 0.5}},
    {"kind": "dae", "corruption": MASKING, "fine_tuning": {"epochs": 1, "corrupt": True}},
    {"kind": "dae", "corruption": GAUSSIAN},
    {"kind": "dae", "corruption": {"kind": "salt_and_pepper", "level": 0.25}},
    {"kind": "cae", "contraction": {"kind": "analytic", "weight": 0.1}},
    {"kind": "cae", "contraction": {"kind": "analytic", "weight": 1}},
    {"kind": "scae", "contraction": {"kind": "stochastic", "weight": 1, "corruption": GAUSSIAN}},
    {"kind": "scae", "contraction": {"kind": "stochastic", "weight": 1, "corruption": MASKING}},
    {"kind": "dae", "corruption": {**MASKING, "emphasis": {"corrupted": 2.0}}},
    {"kind": "dae", "corruption": {**MASKING, "emphasis": {"untouched": 0.5}}},
    {"kind": "dae", "corruption": {**GAUSSIAN, "share": 0.5}},
    {"layers": [{"kind": "dense", "width": 6, "corruption": MASKING}, 3]},
    {"layers": [6, {"kind": "dense", "width": 3, "corruption": MASKING}]},
    {"layers": [{"kind": "dense", "width": 6, "contraction": {"kind": "analytic", "weight": 0.3}}, 3]},
    {"kind": "cae", "contraction": {"kind": "analytic", "weight": 0.1, "form": "probe"}},
    {
        "kind": "cae",
        "contraction": {"kind": "analytic", "weight": 0.1},
        "fine_tuning": {"epochs": 1, "contract": True},
    },
    {"pretraining": {"epochs": 2, "precision": "bfloat16"}},
    {"pretraining": {"epochs": 3}},
    {"pretraining": {"epochs": 2, "minimum_steps": 9}},
    {"pretraining": {"epochs": 2, "batch_size": 64}},
    {"pretraining": {"epochs": 2, "optimiser": {"learning_rate": 0.01}}},
    {"pretraining": {"epochs": 2, "optimiser": {"schedule": "cosine"}}},
    {"pretraining": {"epochs": 2, "optimiser": {"weight_decay": 0.1}}},
    {"pretraining": {"epochs": 2, "optimiser": {"name": "sgd"}}},
    {"pretraining": {"epochs": 2, "optimiser": {"name": "sgd", "momentum": 0.9}}},
    {"fine_tuning": {"epochs": 0}},
    {"fine_tuning": {"epochs": 2}},
    {"seed": 1},
]


def test_each_option_changes_the_weights(recipe_mapping: Mapping, digits: Digits) -> None:
    results = [weights(train(small(recipe_mapping, **fields), digits[:150])) for fields in [{}, *OPTIONS]]
    assert len(set(results)) == len(results)


def test_minimum_steps_add_epochs_where_rows_are_few(recipe_mapping: Mapping, digits: Digits) -> None:
    pretraining = {"epochs": 2, "batch_size": 50, "minimum_steps": 7}
    reports: list[EpochReport] = []
    train(small(recipe_mapping, layers=[3], pretraining=pretraining), digits[:100], reports.append)
    assert [(report.epoch, report.epochs) for report in reports if report.layer == 0] == [
        (epoch, 4) for epoch in (1, 2, 3, 4)
    ]


def test_training_lowers_the_loss_it_reports(recipe_mapping: Mapping, digits: Digits) -> None:
    reports: list[EpochReport] = []
    pretraining = {"epochs": 5, "optimiser": {"learning_rate": 0.01}}
    recipe = small(recipe_mapping, kind="dae", layers=[20], corruption=MASKING, pretraining=pretraining)
    train(recipe, digits[:500], reports.append)
    first, last = reports[0], reports[4]
    assert last.loss < first.loss
    assert last.validation_loss < first.validation_loss


GREEDY: list[dict[str, Any]] = [
    {"kind": "sae"},
    {"kind": "sdae", "corruption": MASKING},
    {"kind": "cae", "contraction": {"kind": "analytic", "weight": 0.01}},
    {"kind": "scae", "contraction": {"kind": "stochastic", "weight": 0.1, "corruption": GAUSSIAN}},
]


@pytest.mark.parametrize("fields", GREEDY)
def test_greedy_training_lowers_the_loss_of_every_convolution(
    recipe_mapping: Mapping, digits: Digits, fields: dict[str, Any]
) -> None:
    layers = [
        {"kind": "convolution", "channels": 4, "kernel_size": 4, "up": "resize"},
        {"kind": "convolution", "channels": 4, "kernel_size": 3},
        5,
    ]
    pretraining = {"epochs": 3, "batch_size": 25, "optimiser": {"learning_rate": 0.01}}
    recipe = small(recipe_mapping, layers=layers, pretraining=pretraining, fine_tuning={"epochs": 0}, **fields)
    reports: list[EpochReport] = []
    train(recipe, digits[:200], reports.append)
    for layer in range(3):
        first, *_, last = [report for report in reports if report.layer == layer]
        assert last.loss < first.loss
        assert last.validation_loss < first.validation_loss


def test_a_diverged_loss_names_phase_step_and_learning_rate(recipe_mapping: Mapping, digits: Digits) -> None:
    recipe = small(
        recipe_mapping,
        activation="relu",
        code_activation="linear",
        output_activation="linear",
        pretraining={"epochs": 20, "batch_size": 10, "optimiser": {"name": "sgd", "learning_rate": 10}},
    )
    with pytest.raises(TrainingDivergedError, match=r"layer 1: loss .* at step \d+ of 10 .* learning rate of 10 "):
        train(recipe, digits[:100])


def test_rows_of_another_shape_are_refused(recipe_mapping: Mapping) -> None:
    recipe = parse_recipe(recipe_mapping())
    pair = build_stack(recipe, (8, 8)).pairs[0]
    for rows in (np.zeros((5, 63), np.float32), np.zeros((0, 64), np.float32)):
        with pytest.raises(ShapeError, match="expected at least one row"):
            pretrain_layer(
                pair,
                rows,
                rows,
                objective=layer_objective(recipe, 0),
                settings=recipe.pretraining,
                seed=0,
                layer_index=0,
            )
    with pytest.raises(ShapeError, match="came"):
        encode_rows(pair, np.zeros((5, 64), np.float32), np.zeros((5, 7), np.float32))
