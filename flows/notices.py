"""What a flow run tells the team, with the link to its page. The sending is in `flows.steps.notices`."""

from __future__ import annotations

from typing import Any

from prefect import runtime
from prefect.utilities.urls import url_for

from flows.steps.errors import MovedDataError
from flows.steps.notices import Event, Kind, notify
from service.release.home import Home
from service.release.store import ReleaseStore


def tell_of_promotion(home: Home, version: str, *, promoted: bool, said: str) -> None:
    """Tell that a new release is the champion, or why it is not."""
    verdict = ReleaseStore(home).manifest(version).gate
    why = None if verdict is None else f"{'passed' if verdict.passed else 'not passed'}: {'; '.join(verdict.reasons)}"
    kind: Kind = "promoted" if promoted else "not passed"
    notify(home, Event(kind, version, said, release=version, verdict=why, link=run_page()))


def tell_of_failure(home: Home, error: Exception) -> None:
    """Tell that this run failed, or stopped before training for data that moved."""
    kind: Kind = "data moved" if isinstance(error, MovedDataError) else "failed"
    notify(home, Event(kind, str(runtime.flow_run.id), f"{type(error).__name__}: {error}", link=run_page()))


def run_page() -> str | None:
    """The address of this run on Prefect's page, where there is one."""
    return page_of(runtime.flow_run.id)


def page_of(flow_run: Any) -> str | None:
    """The address of a flow run on Prefect's page, where there is one."""
    return url_for("flow-run", obj_id=flow_run) if flow_run else None
