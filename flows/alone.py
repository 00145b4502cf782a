"""What surrounds each retraining: signs of life, the home's turn, and word of what went wrong."""

# No postponed annotations: the flow below this reads its parameters' types through it.
from collections.abc import Callable
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

from prefect import get_run_logger, runtime
from prefect.states import Completed

from flows.listening import tell
from flows.notices import tell_of_failure
from flows.steps.living import end_with_worker, show_life
from flows.steps.turns import AnotherRetrainingError, turn
from service.release.home import Home

P = ParamSpec("P")
R = TypeVar("R")


def alone_in_its_home(body: Callable[P, R]) -> Callable[P, R]:
    """A flow's function that runs only while no other retraining of its `home` does.

    A run of a deployment that finds another one ends as `Skipped`: its schedule comes again. One that a person started
    waits. What it raises is told as a notice.
    """
    described = signature(body)

    @wraps(body)
    def alone(*args: P.args, **kwargs: P.kwargs) -> R:
        given = described.bind(*args, **kwargs)
        given.apply_defaults()
        home = Home(Path(given.arguments["home"]).absolute())
        scheduled = runtime.deployment.id is not None
        if scheduled:
            end_with_worker()
        show_life(home, str(runtime.flow_run.id))
        try:
            with turn(home, f"flow run {runtime.flow_run.name}", on_wait=None if scheduled else _wait):
                return body(*args, **kwargs)
        except AnotherRetrainingError as error:
            get_run_logger().info("skipped: %s", error)
            # Prefect takes a state that a flow returns for the run's own.
            return cast(R, Completed(name="Skipped", message=str(error)))
        except Exception as error:
            tell_of_failure(home, error)
            raise

    return alone


def _wait(holder: str) -> None:
    get_run_logger().info("waiting for another retraining of this home: %s", holder)
    tell("turn", 1, 1, f"waiting for another retraining of this home: {holder}")
