"""The retraining flow as a deployment that fires on time."""

from __future__ import annotations

from datetime import timedelta

from prefect.types.entrypoint import EntrypointType

from flows.retrain import retrain
from flows.steps.checks import DataChecks
from flows.steps.errors import FlowError
from flows.steps.places import absolute_source, data_folder
from models.recipe import Recipe
from service.release.home import Home


class ScheduleError(FlowError):
    """The schedule is not one that Prefect understands."""


def serve_schedule(
    home: Home,
    source: str,
    recipe: Recipe,
    *,
    name: str,
    cron: str | None,
    interval: timedelta | None,
    skip_bad: bool,
    label_column: str | None,
    promote: bool,
    gate: bool,
    comparisons: bool,
    only_if_changed: bool,
    checks: DataChecks,
) -> None:
    """Create or renew the deployment `retrain/<name>` and run it when it is due, until interrupted.

    Its schedule is never left paused: what was due while nobody served runs when somebody does.

    Raises:
        ScheduleError: `cron` is not a cron expression.
    """
    try:
        retrain.serve(
            name=name,
            cron=cron,
            interval=interval,
            parameters=retrain_parameters(
                home,
                source,
                recipe,
                skip_bad=skip_bad,
                label_column=label_column,
                promote=promote,
                gate=gate,
                comparisons=comparisons,
                only_if_changed=only_if_changed,
                checks=checks,
            ),
            pause_on_shutdown=False,
            # One retraining at a time in this process.
            limit=1,
            # Found by import, so that it can be served from any folder.
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
    except ValueError as error:
        raise ScheduleError(f"cron: {cron!r} came; expected five fields such as '0 3 * * *' ({error})") from error


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
