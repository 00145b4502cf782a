"""One run of the retraining flow in this process, with a Prefect server and progress bars."""

from __future__ import annotations

import os

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
    comparisons: bool = False,
) -> str:
    """Run the flow and give the version of the release it published.

    Raises:
        FlowError, ReleaseError, RecipeError: as the steps raise them.
    """
    set_environment(home.root)
    # The error itself is printed once, in plain words; the traceback is on Prefect's page.
    os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
    console.print(f"home {home.root}, starting", style="dim")
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
            comparisons=comparisons,
        )
