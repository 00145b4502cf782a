"""What a recipe means for one of its layers."""

from __future__ import annotations

from typing import Any

from models.recipe_fields import RecipeFields
from models.recipe_parts import Activation, Contraction, Corruption, Loss


def code_activation(recipe: RecipeFields, index: int) -> Activation:
    """The activation of layer `index`'s code."""
    return recipe.code_activation if index == len(recipe.layers) - 1 else recipe.activation


def reconstruction_activation(recipe: RecipeFields, index: int) -> Activation:
    """The activation of layer `index`'s reconstruction: the data's for the first, else the code's below."""
    return recipe.output_activation if index == 0 else recipe.activation


def layer_loss(recipe: RecipeFields, index: int) -> Loss:
    """The loss of layer `index`: cross-entropy only where its input lies in [0, 1]."""
    return recipe.loss if index == 0 or recipe.activation == "sigmoid" else "squared_error"


def layer_corruption(recipe: RecipeFields, index: int) -> Corruption:
    """The corruption of layer `index`'s input: its own, else the recipe's."""
    own = recipe.layers[index].corruption
    return recipe.corruption if own is None else own


def layer_contraction(recipe: RecipeFields, index: int) -> Contraction:
    """The contraction of layer `index`'s code: its own, else the recipe's."""
    own = recipe.layers[index].contraction
    return recipe.contraction if own is None else own


def layer_recipe(recipe: RecipeFields, index: int) -> dict[str, Any]:
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
