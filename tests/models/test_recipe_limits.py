"""How wide a code may be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from models.recipe import RecipeError, parse_recipe

Mapping = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(
    ("layer", "field", "widest"),
    [({"kind": "dense"}, "width", 65_536), ({"kind": "convolution"}, "channels", 4_096)],
)
def test_the_widest_layer_is_taken_and_one_wider_is_refused(
    recipe_mapping: Mapping, layer: dict[str, str], field: str, widest: int
) -> None:
    assert getattr(parse_recipe(recipe_mapping(layers=[{**layer, field: widest}, 6])).layers[0], field) == widest
    wanted = f"layers.0.{field}: {widest + 1} came; allowed: less than or equal to {widest}"
    with pytest.raises(RecipeError, match=wanted):
        parse_recipe(recipe_mapping(layers=[{**layer, field: widest + 1}, 6]))
