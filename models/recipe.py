"""What to train: the one validated description.

A `Recipe` is a flow's parameter (its JSON schema is the form on Prefect's page), a YAML file in `recipes/`,
and what `--set corruption.level=0.25` changes. It decides everything that the trained weights depend on,
apart from the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError, model_validator

from models.errors import RecipeError
from models.recipe_agreement import disagreements
from models.recipe_errors import cross_field_error, explain
from models.recipe_fields import RecipeFields
from models.recipe_layers import (
    code_activation,
    layer_contraction,
    layer_corruption,
    layer_loss,
    layer_recipe,
    reconstruction_activation,
)
from models.recipe_parts import (
    Activation,
    Contraction,
    Convolution,
    Corruption,
    Dense,
    FineTuning,
    Gate,
    Layer,
    Optimiser,
    Pretraining,
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
    "Gate",
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


class Recipe(RecipeFields):
    """What to train. Everything but the data that the weights depend on."""

    @model_validator(mode="after")
    def _fields_agree(self) -> Recipe:
        if faults := disagreements(self):
            raise cross_field_error(faults)
        return self


def parse_recipe(mapping: Mapping[str, Any]) -> Recipe:
    """The validated recipe that a mapping describes.

    Raises:
        RecipeError: with one line a wrong field: its dotted path, the value that came, what is allowed.
    """
    try:
        return Recipe.model_validate(mapping)
    except ValidationError as error:
        raise RecipeError(explain(error, Recipe)) from error
