"""Recipes by name or by path, with settings from the command line on top."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from models.recipe import Recipe, RecipeError, apply_settings, parse_recipe


def recipe_names() -> list[str]:
    """The recipes that come with Manifold."""
    folder = resources.files("models") / "recipes"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load_recipe(name_or_path: str, settings: Sequence[str] = ()) -> Recipe:
    """Read a recipe and check it.

    Args:
        name_or_path: one of `recipe_names()`, or the path of a YAML file.
        settings: such as `corruption.level=0.25`, applied in order.

    Raises:
        RecipeError: there is no such recipe, it is not YAML, or a field is wrong; the message names the field, what
            came, and what is allowed.
    """
    return parse_recipe(apply_settings(_read(name_or_path), list(settings)))


def _read(name_or_path: str) -> dict[str, Any]:
    if name_or_path in recipe_names():
        text = (resources.files("models") / "recipes" / f"{name_or_path}.yaml").read_text("utf-8")
    else:
        try:
            text = Path(name_or_path).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            known = ", ".join(recipe_names())
            raise RecipeError(
                f"recipe: {name_or_path!r} came; expected one of {known}, or a readable YAML file ({error})"
            ) from error
    try:
        mapping = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"recipe: {name_or_path} is not YAML: {error}") from error
    if not isinstance(mapping, dict):
        raise RecipeError(f"recipe: {name_or_path} holds {type(mapping).__name__}; expected fields and values")
    return mapping
