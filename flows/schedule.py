"""The retraining flow as a deployment with a schedule, in a work pool of its own."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectNotFound
from prefect.schedules import Cron, Interval, Schedule
from prefect.types.entrypoint import EntrypointType

from flows.steps.errors import FlowError

# An interval counts from here, not from when a command was started: restarts neither shift nor starve it.
_ANCHOR = datetime(2024, 1, 1, tzinfo=UTC)


class ScheduleError(FlowError):
    """The schedule is not one that Prefect understands."""


@dataclass(frozen=True)
class Timing:
    """When: a cron expression or an interval."""

    cron: str | None
    interval: timedelta | None

    def schedule(self) -> Schedule:
        """As Prefect takes it.

        Raises:
            ScheduleError: `cron` is not a cron expression.
        """
        if self.cron is None:
            return Interval(self.interval or timedelta(days=1), anchor_date=_ANCHOR, slug="every")
        try:
            CronSchedule(cron=self.cron)
        except ValueError as error:
            raise ScheduleError(
                f"cron: {self.cron!r} came; expected five fields such as '0 3 * * *' ({error})"
            ) from error
        return Cron(self.cron, slug="cron")


def pool_name(name: str) -> str:
    """The work pool of the schedule `name`: its own worker takes from it, and nobody else's."""
    return f"manifold-{name}"


def renew_deployment(name: str, timing: Timing, parameters: dict[str, object]) -> UUID:
    """Create the deployment `retrain/<name>`, or renew what is there; never paused. Its id.

    One that is as wanted already is left alone: a renewal would take away the runs that are due in the next seconds.

    Raises:
        ScheduleError: `timing` has a wrong cron expression.
        httpx.HTTPError, PrefectHTTPStatusError: the server does not answer as it should.
    """
    from flows.retrain import retrain

    schedule = timing.schedule()
    with get_client(sync_client=True) as client:
        try:
            client.read_work_pool(pool_name(name))
        except ObjectNotFound:
            client.create_work_pool(WorkPoolCreate(name=pool_name(name), type="process"))
        # Typed as either, for it may be awaited too.
        wanted: Any = retrain.to_deployment(
            name=name,
            schedule=schedule,
            parameters=parameters,
            work_pool_name=pool_name(name),
            job_variables={"command": f"{sys.executable} -m prefect.engine"},
            # Found by import, so that it runs in any folder.
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        try:
            there = client.read_deployment_by_name(f"retrain/{name}")
        except ObjectNotFound:
            made: UUID = wanted.apply()
            return made
        same = (
            [_timing(one.schedule) for one in there.schedules if one.active] == [_timing(schedule)]
            and there.parameters == parameters
            and there.work_pool_name == pool_name(name)
            and there.job_variables == wanted.job_variables
            and there.entrypoint == wanted.entrypoint
        )
        if not same:
            wanted.apply()
        if there.paused:
            client.resume_deployment(there.id)
        return there.id


def _timing(schedule: Any) -> tuple[object, object, object]:
    cron, interval, anchor = (getattr(schedule, name, None) for name in ("cron", "interval", "anchor_date"))
    return cron, interval, anchor
