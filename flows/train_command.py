"""One run of the retraining flow in this process, with a Prefect server and progress bars."""

from __future__ import annotations

import os
from collections.abc import Sequence

from flows.local_server import prefect_server_until_exit, set_environment
from flows.steps.places import absolute_source, data_folder
from flows.terminal import console, progress_bars
from models.recipe import Recipe
from service.release.home import Home


def train_once(
    home: Home,
    source: str,
    recipe: Recipe,
    *,
    skip_bad: bool = False,
    label_column: str | None = None,
    promote: bool = True,
    gate: bool = False,
    comparisons: bool = False,
    only_if_changed: bool = False,
    checks: Sequence[str] = (),
    accept_moved_data: bool = True,
) -> str:
    """Run the flow and give the version of the release it published.

    Raises:
        FlowError, ReleaseError, RecipeError: as the steps raise them.
    """
    set_environment(home.root)
    # The error itself is printed once, in plain words; the traceback is on Prefect's page.
    os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
    console.print(f"home {home.root}, starting", style="dim")
    demand_what_it_learns_from(source, recipe, label_column)
    from flows.steps.checks import load_checks

    limits = load_checks(checks, accept=accept_moved_data)
    prefect_server_until_exit(home.root)
    from flows.retrain import retrain

    with progress_bars():
        return retrain(
            recipe,
            source=absolute_source(source),
            home=home.root,
            data_folder=data_folder(),
            skip_bad=skip_bad,
            label_column=label_column,
            promote=promote,
            gate=gate,
            comparisons=comparisons,
            only_if_changed=only_if_changed,
            checks=limits,
        )


def demand_what_it_learns_from(source: str, recipe: Recipe, label_column: str | None) -> None:
    """Refuse a source that is not there, or whose names tell that it lacks labels that the recipe learns from.

    The flow refuses it too, but only once a Prefect server, Prefect and torch have started. Call `set_environment`
    before: readers import what reads it.

    Raises:
        SourceError, LabelsMissingError: so it is.
    """
    from flows.steps.datasets import demand_label_source, demand_source

    demand_source(source, label_column)
    if recipe.supervised_fine_tuning.epochs:
        demand_label_source(source, label_column)
