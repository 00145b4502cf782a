"""The check for drift as a flow: a report on Prefect's page, and a retraining where one was asked for."""

# No postponed annotations here, as in flows.retrain.
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, runtime
from prefect.artifacts import create_markdown_artifact

from flows.notices import run_page
from flows.retrain import retrain
from flows.steps.drift import Drift
from flows.steps.drift.checking import check_drift
from flows.steps.drift.finding import FALSE_ALARM_RATE, HOURS
from flows.steps.drift.telling import summary
from flows.steps.notices import Event, notify
from service.release.home import Home


@flow(name="drift")
def drift(
    home: Path = Path(".manifold"),
    hours: float = HOURS,
    false_alarm_rate: float = FALSE_ALARM_RATE,
    retrain_with: dict[str, Any] | None = None,
) -> bool:
    """Compare what the service saw of late with the champion's own rows; whether it has drifted.

    Args:
        home: `MANIFOLD_HOME`.
        hours: how far back.
        false_alarm_rate: how often a check finds drift where there is none.
        retrain_with: parameters of the flow `retrain`, which runs where drift was found; None: it does not.

    Raises:
        DriftError: there is no champion, or it keeps nothing to compare with.
    """
    checked = check_drift(Home(home), hours=hours, false_alarm_rate=false_alarm_rate)
    create_markdown_artifact(checked.markdown, key="drift", description=checked.drift.release)
    announce(checked.drift, Home(home))
    if checked.drift.found and retrain_with is not None:
        retrain(**retrain_with)
    return checked.drift.found


def announce(found: Drift, home: Home) -> None:
    """Tell of a check: in the log, and the team where drift was found."""
    logger, said = get_run_logger(), summary(found)
    (logger.warning if found.found else logger.info)(said)
    if found.found:
        notify(home, Event("drifted", str(runtime.flow_run.id), said, release=found.release, link=run_page()))
