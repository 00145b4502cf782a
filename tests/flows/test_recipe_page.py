"""docs/recipes.md says what the code takes."""

from __future__ import annotations

import pytest

from flows.steps.recipe_page import COMMAND, PAGE, recipe_page


def test_the_page_of_the_recipes_fields_is_that_of_the_code() -> None:
    assert PAGE.read_text("utf-8").splitlines() == recipe_page().splitlines(), f"write it anew with: {COMMAND}"


@pytest.mark.parametrize(
    "row",
    [
        "| `width` | integer | must be given | at least 1, at most 65,536 | number of code units;",
        "| `learning_rate` | number | `0.001` | above 0, at most 10 | size of a step |",
        "| `emphasis` | [emphasis](#emphasis) or none | none |  | weigh the reconstruction",
        "| `tied_weights` | `true` or `false` | `false` |  | decoder weights",
    ],
)
def test_a_field_is_told_with_its_type_default_range_and_description(row: str) -> None:
    assert any(line.startswith(row) for line in recipe_page().splitlines())
