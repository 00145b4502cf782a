"""Recipes that would be something else than they say are refused; numbers are numbers; phases that never run ask
nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from models.recipe import RecipeError, apply_settings, parse_recipe

Mapping = Callable[..., dict[str, Any]]

MASKING: dict[str, Any] = {"kind": "masking", "level": 0.25}
ANALYTIC: dict[str, Any] = {"kind": "analytic", "weight": 0.1}
WEIGHTLESS: dict[str, Any] = {**ANALYTIC, "weight": 0}
STOCHASTIC: dict[str, Any] = {"kind": "stochastic", "weight": 1.0, "corruption": {"kind": "gaussian", "level": 0.1}}
NONE = {"kind": "none"}
SDAE = {"kind": "sdae", "corruption": MASKING}
CAE = {"kind": "cae", "contraction": ANALYTIC}
SCAE = {"kind": "scae", "contraction": STOCHASTIC}
UNTRAINED = {"pretraining": {"epochs": 0}}
EXACT = {**ANALYTIC, "form": "exact"}
CLOSED = {**ANALYTIC, "form": "closed"}


def layer(**own: Any) -> dict[str, Any]:
    return {"kind": "dense", "width": 6, **own}


def refusal(mapping: dict[str, Any]) -> str:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(mapping)
    return str(caught.value)


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        (
            {"kind": "cae", "contraction": WEIGHTLESS},
            "contraction.weight: 0.0 came; allowed: above 0 where kind is cae; kind ae has no penalty",
        ),
        (
            {"kind": "scae", "contraction": {**STOCHASTIC, "weight": 0}},
            "contraction.weight: 0.0 came; allowed: above 0 where kind is scae; kind ae has no penalty",
        ),
        (
            {"kind": "scae", "contraction": {**STOCHASTIC, "corruption": {"kind": "gaussian", "level": 0}}},
            "contraction.corruption.level: 0.0 came; allowed: above 0 where kind is scae; kind ae has no penalty",
        ),
        (
            {**CAE, "layers": [layer(contraction=NONE), layer(contraction=WEIGHTLESS)]},
            "layers.0.contraction.kind: 'none' came; allowed: analytic or stochastic in one layer at least where kind "
            "is cae",
        ),
        (
            {**SDAE, "layers": [layer(corruption=NONE)] * 2},
            "layers.0.corruption.kind: 'none' came; allowed: masking, gaussian or salt_and_pepper in one layer at "
            "least where kind is sdae",
        ),
        (
            {**SDAE, **UNTRAINED},
            "fine_tuning.corrupt: False came; allowed: true where kind is sdae and pretraining.epochs is 0",
        ),
        (
            {**CAE, **UNTRAINED},
            "fine_tuning.contract: False came; allowed: true where kind is cae and pretraining.epochs is 0",
        ),
        (
            {**SDAE, **UNTRAINED, "supervised_fine_tuning": {"epochs": 1}},
            "fine_tuning.corrupt: False came; allowed: true where kind is sdae and pretraining.epochs is 0; "
            "or set fine_tuning.epochs=0 for a classifier from random initial weights",
        ),
    ],
)
def test_a_plain_autoencoder_under_another_name_is_refused(
    recipe_mapping: Mapping, fields: dict[str, Any], line: str
) -> None:
    assert refusal(recipe_mapping(**fields)) == line


@pytest.mark.parametrize(
    "fields",
    [
        # The plain autoencoder as the first point of a curve over levels.
        {"kind": "dae", "corruption": {**MASKING, "level": 0}},
        {**SDAE, "layers": [layer(corruption=NONE), 3]},
        {**SDAE, "layers": [layer(corruption=NONE)] * 2, "fine_tuning": {"corrupt": True}},
        {**SDAE, **UNTRAINED, "fine_tuning": {"corrupt": True}},
        {**CAE, "layers": [6, layer(contraction=NONE)]},
        {**CAE, "layers": [layer(contraction=NONE)] * 2, "fine_tuning": {"contract": True}},
        {"kind": "cae", "contraction": WEIGHTLESS, "layers": [layer(contraction=ANALYTIC), 3]},
        {**CAE, **UNTRAINED, "fine_tuning": {"contract": True}},
        # The control beside a classifier with a penalty.
        {"supervised_fine_tuning": {"epochs": 1, "contraction": WEIGHTLESS}},
        # Classifiers from initial weights, beside those that the same recipes pre-train.
        {**SDAE, **UNTRAINED, "fine_tuning": {"epochs": 0}, "supervised_fine_tuning": {"epochs": 1}},
        {**CAE, **UNTRAINED, "fine_tuning": {"epochs": 0}, "supervised_fine_tuning": {"epochs": 1}},
    ],
)
def test_one_layer_or_one_phase_is_enough_and_so_is_a_stated_control(
    recipe_mapping: Mapping, fields: dict[str, Any]
) -> None:
    parse_recipe(recipe_mapping(**fields))


@pytest.mark.parametrize(
    ("fields", "setting", "path"),
    [
        (SDAE, {"fine_tuning": {"epochs": 0, "corrupt": True}}, "fine_tuning.corrupt: True"),
        (SCAE, {"fine_tuning": {"epochs": 0, "contract": True}}, "fine_tuning.contract: True"),
        ({}, {"supervised_fine_tuning": {"corruption": MASKING}}, "supervised_fine_tuning.corruption.kind: 'masking'"),
        ({}, {"supervised_fine_tuning": {"contraction": ANALYTIC}}, "supervised_fine_tuning.contraction.kind: 'ana"),
        (UNTRAINED, {"layers": [6, layer(corruption=MASKING)]}, "layers.1.corruption.kind: 'masking'"),
        (UNTRAINED, {"layers": [layer(contraction=STOCHASTIC), 3]}, "layers.0.contraction.kind: 'stochastic'"),
    ],
)
def test_noise_and_penalties_of_a_phase_without_epochs_are_refused_and_with_epochs_taken(
    recipe_mapping: Mapping, fields: dict[str, Any], setting: dict[str, Any], path: str
) -> None:
    phase = "pretraining" if "layers" in setting else next(iter(setting))
    idle = recipe_mapping(**fields, **setting)
    message = refusal(idle)
    assert message.startswith(path)
    assert message.endswith(f"where {phase}.epochs is 0")
    parse_recipe(apply_settings(idle, [f"{phase}.epochs=1"]))


def test_what_else_is_set_for_a_phase_without_epochs_may_stay(recipe_mapping: Mapping) -> None:
    rest = {"epochs": 0, "batch_size": 5, "patience": 2, "optimiser": {"learning_rate": 0.5}}
    parse_recipe(recipe_mapping(fine_tuning=rest, supervised_fine_tuning=rest))


@pytest.mark.parametrize(
    ("fields", "setting"),
    [
        # Layers too wide for the exact form, and a whole encoder that is small enough for it.
        (
            {"kind": "cae", "layers": [65, 3], "contraction": EXACT, **UNTRAINED, "fine_tuning": {"contract": True}},
            "pretraining.epochs=1",
        ),
        # Layers with a closed form, and a whole encoder without one.
        (
            {"kind": "cae", "contraction": CLOSED, "fine_tuning": {"epochs": 1, "contract": False}},
            "fine_tuning.contract=true",
        ),
    ],
)
def test_the_form_of_a_penalty_is_judged_where_it_is_computed(
    recipe_mapping: Mapping, fields: dict[str, Any], setting: str
) -> None:
    mapping = recipe_mapping(**fields)
    parse_recipe(mapping)
    assert refusal(apply_settings(mapping, [setting])).startswith("contraction.form: ")


@pytest.mark.parametrize(
    "path",
    [
        "seed",
        "layers.0.width",
        "corruption.level",
        "corruption.emphasis.corrupted",
        "contraction.weight",
        "pretraining.epochs",
        "pretraining.optimiser.learning_rate",
        "supervised_fine_tuning.epochs",
    ],
)
@pytest.mark.parametrize("value", [True, False])
def test_true_and_false_are_no_numbers(recipe_mapping: Mapping, path: str, value: bool) -> None:
    mapping = recipe_mapping(layers=[layer(), 3])
    line = f"{path}: {value} came; allowed: a number, not true or false"
    assert line in refusal(apply_settings(mapping, [f"{path}={str(value).lower()}"])).splitlines()


@pytest.mark.parametrize(("text", "rate"), [("1e-3", 0.001), ("1.0e-3", 0.001), ("1", 1.0), ("0.5", 0.5)])
def test_a_number_may_be_written_in_every_usual_way(recipe_mapping: Mapping, text: str, rate: float) -> None:
    setting = f"pretraining.optimiser.learning_rate={text}"
    assert parse_recipe(apply_settings(recipe_mapping(), [setting])).pretraining.optimiser.learning_rate == rate
