"""What a schedule hands to the flow: by absolute paths, for it runs elsewhere."""

from __future__ import annotations

from flows.steps.checks import DataChecks
from flows.steps.places import absolute_source, data_folder
from models.recipe import Recipe
from service.release.home import Home


def retrain_parameters(
    home: Home,
    source: str,
    recipe: Recipe,
    *,
    skip_bad: bool,
    label_column: str | None,
    promote: bool,
    gate: bool,
    comparisons: bool,
    only_if_changed: bool,
    checks: DataChecks,
) -> dict[str, object]:
    """The flow's parameters as Prefect's API takes them."""
    return {
        "source": absolute_source(source),
        "data_folder": str(data_folder()),
        "recipe": recipe.model_dump(mode="json"),
        "home": str(home.root),
        "skip_bad": skip_bad,
        "label_column": label_column,
        "promote": promote,
        "gate": gate,
        "comparisons": comparisons,
        "only_if_changed": only_if_changed,
        "checks": checks.model_dump(mode="json"),
    }
