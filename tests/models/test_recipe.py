"""Recipes: what is accepted, and how a wrong field names itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources
from typing import Any

import pytest
import yaml

from models.recipe import Corruption, Dense, Recipe, RecipeError, apply_settings, layer_recipe, parse_recipe

Mapping = Callable[..., dict[str, Any]]

MASKING = {"kind": "masking", "level": 0.25}
STOCHASTIC = {"kind": "stochastic", "weight": 1.0, "corruption": {"kind": "gaussian", "level": 0.1}}
CONVOLUTION = {"kind": "convolution", "channels": 4}


def test_every_shipped_recipe_is_valid_and_bears_its_files_name() -> None:
    files = {entry.name: entry.read_text("utf-8") for entry in (resources.files("models") / "recipes").iterdir()}
    recipes = {file: parse_recipe(yaml.safe_load(text)) for file, text in files.items()}
    systems = ("ae", "sae", "dae", "sdae", "scae", "cae")
    names = [*systems, *(f"{system}-convolutional" for system in systems)]
    assert {file: recipe.name for file, recipe in recipes.items()} == {f"{name}.yaml": name for name in names}
    for recipe in recipes.values():
        assert recipe.kind == recipe.name.removesuffix("-convolutional")
        assert (recipe.layers[0].kind == "convolution") == recipe.name.endswith("-convolutional")


def test_an_integer_among_the_layers_is_a_dense_width(recipe_mapping: Mapping) -> None:
    assert parse_recipe(recipe_mapping(layers=[5])).layers == (Dense(width=5),)


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"kind": "vae"}, "kind: 'vae' came; allowed: 'ae', 'sae', 'dae', 'sdae', 'scae' or 'cae'"),
        ({"layers": []}, "layers: [] came; allowed: "),
        ({"layers": "64,32"}, "layers: '64,32' came; allowed: a list such as [64, 32]"),
        ({"layers": [0]}, "layers.0.width: 0 came; allowed: greater than or equal to 1"),
        ({"layers": [True]}, "layers.0: True came; allowed: an integer, or fields with kind"),
        (
            {"layers": [{"kind": "pooling"}]},
            "layers.0: {'kind': 'pooling'} came; allowed: an integer, or fields with kind",
        ),
        (
            {"layers": [{"kind": "convolution"}]},
            "layers.0.channels: nothing came; allowed: number of feature maps",
        ),
        (
            {"layers": [{**CONVOLUTION, "stride": 4}]},
            "layers.0.stride: 4 came; allowed: at most kernel_size (3)",
        ),
        (
            {"layers": [{**CONVOLUTION, "up": "bilinear"}]},
            "layers.0.up: 'bilinear' came; allowed: 'transposed' or 'resize'",
        ),
        (
            {"layers": [CONVOLUTION, {**CONVOLUTION, "up": "resize"}], "tied_weights": True},
            "tied_weights: True came; allowed: false where layers.1.up is resize",
        ),
        (
            {"layers": [5, CONVOLUTION]},
            "layers.1.kind: 'convolution' came; allowed: dense after a dense layer",
        ),
        ({"kind": "sae", "layers": [5]}, "layers: 1 came; allowed: at least 2 layers where kind is sae"),
        ({"seed": -1}, "seed: -1 came; allowed: greater than or equal to 0"),
        ({"seed": 1.5}, "seed: 1.5 came; allowed: a valid integer"),
        ({"pretraining": {"epochs": "many"}}, "pretraining.epochs: 'many' came; allowed: a valid integer"),
        (
            {"pretraining": {"optimiser": {"learning_rate": float("nan")}}},
            "pretraining.optimiser.learning_rate: nan came; allowed: a finite number",
        ),
        (
            {"pretraining": {"optimiser": {"momentum": 0.9}}},
            "pretraining.optimiser.momentum: 0.9 came; allowed: 0 where name is adam",
        ),
        (
            {"pretraining": {"epochs": 0}, "fine_tuning": {"epochs": 0}},
            "pretraining.epochs: 0 came; allowed: at least 1",
        ),
        (
            {"fine_tuning": {"corrupt": True}},
            "fine_tuning.corrupt: True came; allowed: false where corruption.kind is none",
        ),
        (
            {"kind": "dae"},
            "corruption.kind: 'none' came; allowed: masking, gaussian or salt_and_pepper where kind is dae",
        ),
        ({"corruption": MASKING}, "corruption.kind: 'masking' came; allowed: none where kind is ae"),
        ({"corruption": {"level": 0.2}}, "corruption.level: 0.2 came; allowed: 0 where kind is none"),
        (
            {"kind": "dae", "corruption": {"kind": "masking", "level": 1}},
            "corruption.level: 1.0 came; allowed: at least 0 and below 1 where kind is masking",
        ),
        ({"kind": "cae"}, "contraction.kind: 'none' came; allowed: analytic where kind is cae"),
        ({"kind": "scae"}, "contraction.kind: 'none' came; allowed: stochastic where kind is scae"),
        ({"contraction": STOCHASTIC}, "contraction.kind: 'stochastic' came; allowed: none where kind is ae"),
        ({"contraction": {"weight": 1}}, "contraction.weight: 1.0 came; allowed: 0 where kind is none"),
        (
            {"kind": "scae", "contraction": {"kind": "stochastic"}},
            "contraction.corruption.kind: 'none' came; allowed: masking, gaussian or salt_and_pepper",
        ),
        (
            {"kind": "dae", "corruption": {"kind": "gaussian", "level": 0.1, "emphasis": {"corrupted": 2}}},
            "corruption.emphasis: {'corrupted': 2.0, 'untouched': 1.0} came; allowed: none where the corruption",
        ),
        (
            {"kind": "dae", "corruption": {"kind": "masking", "level": 0, "emphasis": {"untouched": 0}}},
            "corruption.emphasis.untouched: 0.0 came; allowed: above 0 where level is 0",
        ),
        (
            {"kind": "dae", "corruption": {**MASKING, "share": 0.5}},
            "corruption.share: 0.5 came; allowed: 1 unless kind is gaussian",
        ),
        (
            {"kind": "dae", "corruption": {**MASKING, "emphasis": {"corrupted": 0, "untouched": 0}}},
            "corruption.emphasis.untouched: 0.0 came; allowed: above 0 where corrupted is 0",
        ),
        (
            {"layers": [{"kind": "dense", "width": 5, "corruption": {"kind": "masking", "level": 1}}, 3]},
            "layers.0.corruption.level: 1.0 came; allowed: at least 0 and below 1 where kind is masking",
        ),
        (
            {"kind": "cae", "contraction": {"kind": "analytic", "weight": -0.1}},
            "contraction.weight: -0.1 came; allowed: greater than or equal to 0",
        ),
        (
            {"kind": "scae", "contraction": {**STOCHASTIC, "form": "exact"}},
            "contraction.form: 'exact' came; allowed: auto unless kind is analytic",
        ),
        (
            {"kind": "cae", "layers": [65], "contraction": {"kind": "analytic", "weight": 1, "form": "exact"}},
            "contraction.form: 'exact' came; allowed: auto, closed or probe for a code of 65 units",
        ),
        (
            {
                "kind": "cae",
                "contraction": {"kind": "analytic", "weight": 1, "form": "closed"},
                "fine_tuning": {"epochs": 1, "contract": True},
            },
            "contraction.form: 'closed' came; allowed: auto, exact or probe: a deep encoder has no closed form",
        ),
        (
            {"fine_tuning": {"epochs": 1, "contract": True}},
            "fine_tuning.contract: True came; allowed: false where contraction.kind is none",
        ),
        (
            {
                "supervised_fine_tuning": {
                    "epochs": 1,
                    "contraction": {"kind": "analytic", "weight": 1, "form": "closed"},
                }
            },
            "supervised_fine_tuning.contraction.form: 'closed' came; allowed: auto, exact or probe",
        ),
        ({"pretraining": {"patience": -1}}, "pretraining.patience: -1 came; allowed: greater than or equal to 0"),
        (
            {"pretraining": {"precision": "float16"}},
            "pretraining.precision: 'float16' came; allowed: 'auto', 'float32' or 'bfloat16'",
        ),
        (
            {"loss": "binary_cross_entropy", "output_activation": "linear"},
            "output_activation: 'linear' came; allowed: sigmoid where loss is binary_cross_entropy",
        ),
        (
            {"loss": "binary_cross_entropy", "scaling": "standard"},
            "scaling: 'standard' came; allowed: range where loss is binary_cross_entropy",
        ),
        (
            {"scaling": "standard"},
            "output_activation: 'sigmoid' came; allowed: linear where scaling is standard",
        ),
    ],
)
def test_a_wrong_field_names_itself_its_value_and_what_is_allowed(
    recipe_mapping: Mapping, fields: dict[str, Any], line: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(recipe_mapping(**fields))
    assert any(found.startswith(line) for found in str(caught.value).splitlines()), str(caught.value)


@pytest.mark.parametrize(
    ("fields", "start", "known"),
    [
        (
            {"activaton": "relu"},
            "activaton: unknown field, 'relu' came; did you mean activation?",
            "tied_weights",
        ),
        (
            {"corruption": {"levle": 0.1}},
            "corruption.levle: unknown field, 0.1 came; did you mean level?",
            "kind",
        ),
        (
            {"layers": [{"kind": "convolution", "channels": 2, "strides": 2}]},
            "layers.0.strides: unknown field, 2 came; did you mean stride?",
            "kernel_size",
        ),
        (
            {"patience": 3},
            "patience: unknown field, 3 came; did you mean pretraining.patience or fine_tuning.patience or "
            "supervised_fine_tuning.patience?",
            "pretraining",
        ),
        (
            {"pretraining": {"learning_rate": 0.1}},
            "pretraining.learning_rate: unknown field, 0.1 came; did you mean pretraining.optimiser.learning_rate?",
            "optimiser",
        ),
        ({"width": 64}, "width: unknown field, 64 came; did you mean layers.0.width?", "layers"),
    ],
)
def test_an_unknown_field_is_told_the_nearest_and_all_known_ones(
    recipe_mapping: Mapping, fields: dict[str, Any], start: str, known: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(recipe_mapping(**fields))
    assert str(caught.value).startswith(start)
    assert known in str(caught.value).split("known fields: ")[1]


def test_all_wrong_fields_are_told_at_once(recipe_mapping: Mapping) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(recipe_mapping(seed=-1, loss="hinge", layers=[0]))
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "layers.0.width",
        "loss",
        "seed",
    ]


def test_masking_is_allowed_on_standard_scaling(recipe_mapping: Mapping) -> None:
    recipe = parse_recipe(
        recipe_mapping(kind="dae", corruption=MASKING, scaling="standard", output_activation="linear")
    )
    assert recipe.corruption.level == 0.25


def test_every_field_of_the_form_is_described() -> None:
    schema = Recipe.model_json_schema()
    for part in [schema, *schema["$defs"].values()]:
        for name, field in part["properties"].items():
            assert field.get("description"), f"{part['title']}.{name}"


def test_a_recipe_survives_its_json(shipped_recipe: dict[str, Any]) -> None:
    recipe = parse_recipe(shipped_recipe)
    assert parse_recipe(json.loads(recipe.model_dump_json())) == recipe


def test_settings_reach_every_depth_and_leave_the_original_alone(recipe_mapping: Mapping) -> None:
    mapping = recipe_mapping(kind="dae", corruption={"kind": "masking"})
    settings = [
        "corruption.level=0.25",
        "layers=[500, 30]",
        "layers.1=20",
        "fine_tuning.optimiser.learning_rate=1e-4",
        "tied_weights=true",
    ]
    recipe = parse_recipe(apply_settings(mapping, settings))
    assert (recipe.corruption.level, recipe.tied_weights) == (0.25, True)
    assert recipe.layers == (Dense(width=500), Dense(width=20))
    assert recipe.fine_tuning.optimiser.learning_rate == 1e-4
    assert mapping["corruption"] == {"kind": "masking"}


def test_a_layers_own_field_is_set_where_an_integer_stands_for_the_layer(recipe_mapping: Mapping) -> None:
    mapping = recipe_mapping(kind="dae", corruption=MASKING)
    recipe = parse_recipe(apply_settings(mapping, ["layers.0.corruption={kind: masking, level: 0.5}"]))
    assert recipe.layers == (Dense(width=6, corruption=Corruption(kind="masking", level=0.5)), Dense(width=3))
    assert mapping["layers"] == [6, 3]


@pytest.mark.parametrize(
    "setting",
    ["corruption.level", "=1", ".a=1", "a..b=1", "layers.7=3", "layers.x=3", "name.first=a", "seed=[1"],
)
def test_a_malformed_setting_is_named(recipe_mapping: Mapping, setting: str) -> None:
    with pytest.raises(RecipeError) as caught:
        apply_settings(recipe_mapping(), [setting])
    assert repr(setting) in str(caught.value)


ELSEWHERE = ["name=other", "layers.1=9", "code_activation=tanh", "fine_tuning.epochs=99"]
HERE = [
    "layers.0=7",
    "activation=relu",
    "output_activation=linear",
    "tied_weights=true",
    "loss=binary_cross_entropy",
    "corruption.level=0.5",
    "pretraining.epochs=3",
    "pretraining.optimiser.learning_rate=0.1",
    "seed=1",
]


@pytest.mark.parametrize(("setting", "same"), [*((s, True) for s in ELSEWHERE), *((s, False) for s in HERE)])
def test_a_layers_cache_key_moves_with_what_it_depends_on_only(
    recipe_mapping: Mapping, setting: str, same: bool
) -> None:
    mapping = recipe_mapping(kind="sdae", corruption=MASKING)
    before = layer_recipe(parse_recipe(mapping), 0)
    after = layer_recipe(parse_recipe(apply_settings(mapping, [setting])), 0)
    assert (json.dumps(before) == json.dumps(after)) is same


def test_scaling_matters_to_the_first_layer_alone(recipe_mapping: Mapping) -> None:
    ranged = parse_recipe(recipe_mapping(output_activation="linear"))
    standard = parse_recipe(recipe_mapping(output_activation="linear", scaling="standard"))
    assert layer_recipe(ranged, 0) != layer_recipe(standard, 0)
    assert layer_recipe(ranged, 1) == layer_recipe(standard, 1)


def test_a_transposed_convolution_is_named_as_it_was_before_there_was_a_choice(recipe_mapping: Mapping) -> None:
    described = {
        up: layer_recipe(parse_recipe(recipe_mapping(layers=[{**CONVOLUTION, "up": up}])), 0)
        for up in ("transposed", "resize")
    }
    assert described["transposed"] == layer_recipe(parse_recipe(recipe_mapping(layers=[CONVOLUTION])), 0)
    assert "up" not in described["transposed"]["layer"]
    assert described["resize"]["layer"]["up"] == "resize"
