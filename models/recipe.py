"""What to train: the one validated description.

A `Recipe` is a flow's parameter (its JSON schema is the form on Prefect's page), a YAML file in `recipes/`,
and what `--set corruption.level=0.25` changes. It decides everything that the trained weights depend on,
apart from the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from models.errors import RecipeError
from models.recipe_errors import Fault, cross_field_error, explain
from models.recipe_parts import (
    LARGEST_EXACT_CODE,
    Activation,
    Contraction,
    Convolution,
    Corruption,
    Dense,
    FineTuning,
    Layer,
    Loss,
    Optimiser,
    Part,
    Pretraining,
    Scaling,
    SupervisedFineTuning,
    Training,
)
from models.recipe_settings import apply_settings

__all__ = [
    "Activation",
    "Contraction",
    "Convolution",
    "Corruption",
    "Dense",
    "FineTuning",
    "Layer",
    "Optimiser",
    "Pretraining",
    "Recipe",
    "RecipeError",
    "SupervisedFineTuning",
    "Training",
    "apply_settings",
    "code_activation",
    "layer_contraction",
    "layer_corruption",
    "layer_loss",
    "layer_recipe",
    "parse_recipe",
    "reconstruction_activation",
]

Kind = Literal["ae", "sae", "dae", "sdae", "scae", "cae"]


class Recipe(Part):
    """What to train. Everything but the data that the weights depend on."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="a name for people; changes no weight")
    kind: Kind = Field(
        description="ae: plain; dae: denoising; sae, sdae: the same, stacked (at least two layers); "
        "scae: stochastic contraction; cae: analytic contraction"
    )
    layers: tuple[Layer, ...] = Field(
        min_length=1,
        max_length=32,
        description="from the input to the bottleneck, convolutions first; an integer is a dense width",
    )
    activation: Literal["sigmoid", "tanh", "relu"] = Field(
        default="sigmoid", description="of every code but the bottleneck, in encoder and decoder"
    )
    code_activation: Activation = Field(default="sigmoid", description="of the bottleneck")
    output_activation: Literal["sigmoid", "linear"] = Field(
        default="sigmoid", description="of the reconstruction; sigmoid keeps it inside the range"
    )
    tied_weights: bool = Field(default=False, description="decoder weights are the encoder's, transposed")
    loss: Loss = Field(
        default="squared_error",
        description="summed over features; layers whose input leaves [0, 1] take squared_error",
    )
    scaling: Scaling = Field(default="range", description="range: to [0, 1]; standard: to mean 0 and deviation 1")
    corruption: Corruption = Field(
        default=Corruption(), description="dae and sdae: of every layer's input without its own"
    )
    contraction: Contraction = Field(
        default=Contraction(), description="scae and cae: of every layer's code without its own"
    )
    pretraining: Pretraining = Field(default=Pretraining(), description="greedy training, layer by layer")
    fine_tuning: FineTuning = Field(default=FineTuning(), description="of the whole stack; 0 epochs: none")
    supervised_fine_tuning: SupervisedFineTuning = Field(
        default=SupervisedFineTuning(), description="of a classifier on top of the pre-trained encoder; 0 epochs: none"
    )
    seed: int = Field(default=0, ge=0, le=2**32 - 1, description="of initial weights, order of rows, and noise")

    @model_validator(mode="after")
    def _fields_agree(self) -> Recipe:
        faults = [
            *_layer_faults(self),
            *_loss_faults(self),
            *_kind_faults(self),
            *_penalty_faults(self),
            *_fine_tuning_faults(self),
        ]
        if faults:
            raise cross_field_error(faults)
        return self


def _layer_faults(recipe: Recipe) -> list[Fault]:
    faults = []
    if recipe.kind in {"sae", "sdae"} and len(recipe.layers) < 2:
        faults.append(Fault("layers", len(recipe.layers), f"at least 2 layers where kind is {recipe.kind}"))
    kinds = [layer.kind for layer in recipe.layers]
    faults.extend(
        Fault(f"layers.{index}.kind", kind, "dense after a dense layer")
        for index, kind in enumerate(kinds)
        if kind == "convolution" and "dense" in kinds[:index]
    )
    resized = [
        index for index, layer in enumerate(recipe.layers) if isinstance(layer, Convolution) and layer.up == "resize"
    ]
    if recipe.tied_weights and resized:
        faults.append(Fault("tied_weights", True, f"false where layers.{resized[0]}.up is resize"))
    return faults


def _loss_faults(recipe: Recipe) -> list[Fault]:
    faults = []
    if recipe.loss == "binary_cross_entropy" and recipe.output_activation != "sigmoid":
        allowed = "sigmoid where loss is binary_cross_entropy"
        faults.append(Fault("output_activation", recipe.output_activation, allowed))
    if recipe.loss == "binary_cross_entropy" and recipe.scaling != "range":
        faults.append(Fault("scaling", recipe.scaling, "range where loss is binary_cross_entropy"))
    if recipe.output_activation == "sigmoid" and recipe.scaling == "standard":
        faults.append(Fault("output_activation", "sigmoid", "linear where scaling is standard"))
    return faults


def _kind_faults(recipe: Recipe) -> list[Fault]:
    faults = []
    contraction = {"scae": "stochastic", "cae": "analytic"}.get(recipe.kind, "none")
    if recipe.contraction.kind != contraction:
        faults.append(Fault("contraction.kind", recipe.contraction.kind, f"{contraction} where kind is {recipe.kind}"))
    denoising = recipe.kind in {"dae", "sdae"}
    if denoising and recipe.corruption.kind == "none":
        allowed = f"masking, gaussian or salt_and_pepper where kind is {recipe.kind}"
        faults.append(Fault("corruption.kind", "none", allowed))
    if not denoising and recipe.corruption.kind != "none":
        faults.append(Fault("corruption.kind", recipe.corruption.kind, f"none where kind is {recipe.kind}"))
    return faults


def _penalty_faults(recipe: Recipe) -> list[Fault]:
    """A penalty in a form that its layer, or the whole encoder, does not have."""
    faults = []
    for index, layer in enumerate(recipe.layers):
        place = "contraction.form" if layer.contraction is None else f"layers.{index}.contraction.form"
        if layer_contraction(recipe, index).form == "exact":
            faults.extend(_size_faults(place, layer))
    deep = {"supervised_fine_tuning.contraction.form": recipe.supervised_fine_tuning.contraction.form}
    if recipe.fine_tuning.contract:
        deep["contraction.form"] = recipe.contraction.form
    for place, form in deep.items():
        if form == "exact":
            faults.extend(_size_faults(place, recipe.layers[-1]))
        if form == "closed" and len(recipe.layers) > 1:
            faults.append(Fault(place, "closed", "auto, exact or probe: a deep encoder has no closed form"))
    return faults


def _size_faults(place: str, layer: Layer) -> list[Fault]:
    if isinstance(layer, Dense) and layer.width <= LARGEST_EXACT_CODE:
        return []
    size = f"{layer.width} units" if isinstance(layer, Dense) else f"{layer.channels} channels of a convolution"
    allowed = f"auto, closed or probe for a code of {size}: exact takes at most {LARGEST_EXACT_CODE} dense units"
    return [Fault(place, "exact", allowed)]


def _fine_tuning_faults(recipe: Recipe) -> list[Fault]:
    faults = []
    if recipe.pretraining.epochs == recipe.fine_tuning.epochs == recipe.supervised_fine_tuning.epochs == 0:
        faults.append(Fault("pretraining.epochs", 0, "at least 1 where fine_tuning.epochs is 0"))
    if recipe.fine_tuning.corrupt and recipe.corruption.kind == "none":
        faults.append(Fault("fine_tuning.corrupt", True, "false where corruption.kind is none"))
    if (emphasis := recipe.supervised_fine_tuning.corruption.emphasis) is not None:
        allowed = "none: a classifier reconstructs nothing"
        faults.append(Fault("supervised_fine_tuning.corruption.emphasis", emphasis.model_dump(), allowed))
    if recipe.fine_tuning.contract and recipe.contraction.kind == "none":
        faults.append(Fault("fine_tuning.contract", True, "false where contraction.kind is none"))
    return faults


def parse_recipe(mapping: Mapping[str, Any]) -> Recipe:
    """The validated recipe that a mapping describes.

    Raises:
        RecipeError: with one line a wrong field: its dotted path, the value that came, what is allowed.
    """
    try:
        return Recipe.model_validate(mapping)
    except ValidationError as error:
        raise RecipeError(explain(error, Recipe)) from error


def code_activation(recipe: Recipe, index: int) -> Activation:
    """The activation of layer `index`'s code."""
    return recipe.code_activation if index == len(recipe.layers) - 1 else recipe.activation


def reconstruction_activation(recipe: Recipe, index: int) -> Activation:
    """The activation of layer `index`'s reconstruction: the data's for the first, else the code's below."""
    return recipe.output_activation if index == 0 else recipe.activation


def layer_loss(recipe: Recipe, index: int) -> Loss:
    """The loss of layer `index`: cross-entropy only where its input lies in [0, 1]."""
    return recipe.loss if index == 0 or recipe.activation == "sigmoid" else "squared_error"


def layer_corruption(recipe: Recipe, index: int) -> Corruption:
    """The corruption of layer `index`'s input: its own, else the recipe's."""
    own = recipe.layers[index].corruption
    return recipe.corruption if own is None else own


def layer_contraction(recipe: Recipe, index: int) -> Contraction:
    """The contraction of layer `index`'s code: its own, else the recipe's."""
    own = recipe.layers[index].contraction
    return recipe.contraction if own is None else own


def layer_recipe(recipe: Recipe, index: int) -> dict[str, Any]:
    """Exactly what the greedy training of layer `index` depends on, besides its input rows; JSON-able.

    Two recipes that agree here and on the layers below give the same weights for this layer.

    Args:
        index: from 0 (next to the data) to `len(recipe.layers) - 1` (the bottleneck).
    """
    described: dict[str, Any] = {
        "index": index,
        "layer": recipe.layers[index].model_dump(mode="json", exclude={"corruption", "contraction"}),
        "code_activation": code_activation(recipe, index),
        "output_activation": reconstruction_activation(recipe, index),
        "tied_weights": recipe.tied_weights,
        "loss": layer_loss(recipe, index),
        "corruption": layer_corruption(recipe, index).model_dump(mode="json"),
        "contraction": layer_contraction(recipe, index).model_dump(mode="json"),
        "pretraining": recipe.pretraining.model_dump(mode="json"),
        "seed": recipe.seed,
    }
    if index == 0:
        described["scaling"] = recipe.scaling
    return described
