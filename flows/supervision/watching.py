"""Runs that died without a word are marked as crashed and taken up again; of runs that are late, the newest is left.

Prefect learns of a killed run from the worker that started it. Where worker or machine died too, the run stays
`Running` for ever. Here its signs of life decide, see `flows.steps.living`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas import OrchestrationResult
from prefect.client.schemas.filters import DeploymentFilter, FlowFilter, FlowRunFilter
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import PrefectHTTPStatusError
from prefect.states import Cancelled, Crashed

from flows.notices import page_of
from flows.steps.living import Sign, sign_of_life
from flows.steps.notices import Event, notify, notify_of_rollbacks
from service.release.home import Home

_log = logging.getLogger(__name__)
# What a server that is down, starting, or stuck on its database raises here.
SERVER_TROUBLES = (httpx.HTTPError, PrefectHTTPStatusError, OSError)
# Without a new sign of life for so long, a run that has begun is dead: a kill is found in less than 90 seconds.
SILENCE_SECONDS = 60.0
# A run that is only about to begin: a busy machine starts Prefect and torch in minutes.
BEGINNING_SECONDS = 300.0
# What crashed longer ago is history.
_RECENT = timedelta(hours=1)
_MOST_AGAIN = 3
_AGAIN = "again-"
_STOPPED = "Stopped"
_UNDER_WAY = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]


class Watch:
    """Looks after the runs of one home.

    Args:
        home: only runs of it are looked at.
        deployment: the schedule whose late and crashed runs are seen to; None: dead runs are found, no more.
        clock: seconds that only ever grow.
    """

    def __init__(self, home: Home, deployment: UUID | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._home = home
        self._deployment = deployment
        self._clock = clock
        # What was seen last of each run under way, and since when.
        self._seen: dict[UUID, tuple[Sign | None, float]] = {}
        self._gone: set[UUID] = set()

    def look(self, *, no_worker: bool = False, stopped: bool = False) -> None:
        """Look once.

        Args:
            no_worker: no worker of the deployment lives now: what it had under way is dead.
            stopped: because somebody stopped it, which is no news.

        Raises:
            httpx.HTTPError, PrefectHTTPStatusError: the server does not answer.
        """
        with get_client(sync_client=True) as client:
            self._find_dead(client, no_worker, stopped)
            if self._deployment is not None:
                self._take_up_crashed(client, self._deployment)
                self._keep_newest_late(client, self._deployment)
        notify_of_rollbacks(self._home, now=datetime.now(UTC))

    def _find_dead(self, client: SyncPrefectClient, no_worker: bool, stopped: bool) -> None:
        runs = client.read_flow_runs(
            flow_filter=FlowFilter.model_validate({"name": {"any_": ["retrain"]}}),
            flow_run_filter=_chosen(_UNDER_WAY),
        )
        mine = [run for run in runs if run.parameters.get("home") == str(self._home.root)]
        gone = set()
        for run in mine:
            sign = sign_of_life(self._home, str(run.id))
            if no_worker and run.deployment_id == self._deployment and not (sign and sign.held):
                if stopped:
                    client.set_flow_run_state(run.id, Crashed(name=_STOPPED, message="Stopped with its schedule."))
                else:
                    self._mark_crashed(client, run, "its worker ended")
            elif sign is not None and sign.here and sign.held is False:
                # Twice, for it may have ended well since the server was asked.
                if run.id in self._gone:
                    self._mark_crashed(client, run, "its process is gone")
                gone.add(run.id)
            elif (silent := self._silent_for(run, sign)) is not None:
                self._mark_crashed(client, run, f"no sign of life for {silent:.0f} s")
        self._gone = gone
        ids = {run.id for run in mine}
        self._seen = {run: seen for run, seen in self._seen.items() if run in ids}

    def _silent_for(self, run: FlowRun, sign: Sign | None) -> float | None:
        """For how many seconds it has given no new sign, where that is too long."""
        before = self._seen.get(run.id)
        if before is None or before[0] != sign:
            self._seen[run.id] = (sign, self._clock())
            return None
        silent = self._clock() - before[1]
        about_to_begin = sign is None and run.state_type == StateType.PENDING
        return silent if silent > (BEGINNING_SECONDS if about_to_begin else SILENCE_SECONDS) else None

    def _mark_crashed(self, client: SyncPrefectClient, run: FlowRun, why: str) -> None:
        # Not forced: the rules that this skips are those that free its slots.
        result: OrchestrationResult[object] = client.set_flow_run_state(run.id, Crashed(message=f"Found dead: {why}."))
        if result.status != SetStateStatus.ACCEPT:
            return
        _log.warning("flow run %s crashed: %s", run.name, why)
        self._tell(run, why)

    def _take_up_crashed(self, client: SyncPrefectClient, deployment: UUID) -> None:
        recent = {"after_": datetime.now(UTC) - _RECENT}
        for run in _runs(client, deployment, _chosen([StateType.CRASHED], end_time=recent)):
            if run.state_name != _STOPPED:
                self._tell(run, (run.state.message if run.state else None) or "crashed")
            attempt = 1 + max((int(tag.removeprefix(_AGAIN)) for tag in run.tags if tag.startswith(_AGAIN)), default=0)
            if attempt > _MOST_AGAIN:
                continue
            # The same key gives the same run, however often it is asked for.
            again = client.create_flow_run_from_deployment(
                deployment,
                parameters=run.parameters,
                tags=[f"{_AGAIN}{attempt}"],
                idempotency_key=f"{_AGAIN}{run.id}",
            )
            _log.debug("flow run %s takes up the work of %s", again.name, run.name)

    def _keep_newest_late(self, client: SyncPrefectClient, deployment: UUID) -> None:
        due = {"before_": datetime.now(UTC)}
        late = _runs(client, deployment, _chosen([StateType.SCHEDULED], next_scheduled_start_time=due))
        late = sorted(late, key=lambda run: str(run.next_scheduled_start_time))
        for run in late[:-1]:
            message = f"Overtaken: {late[-1].name} is due too, and learns from the same rows."
            client.set_flow_run_state(run.id, Cancelled(name="Skipped", message=message))
            _log.info("flow run %s is late and skipped for %s", run.name, late[-1].name)

    def _tell(self, run: FlowRun, why: str) -> None:
        notify(self._home, Event("crashed", str(run.id), f"flow run {run.name}: {why}", link=page_of(run.id)))


def _chosen(states: list[StateType], **more: dict[str, datetime]) -> FlowRunFilter:
    return FlowRunFilter.model_validate({"state": {"type": {"any_": states}}, **more})


def _runs(client: SyncPrefectClient, deployment: UUID, chosen: FlowRunFilter) -> list[FlowRun]:
    wanted = DeploymentFilter.model_validate({"id": {"any_": [deployment]}})
    return client.read_flow_runs(deployment_filter=wanted, flow_run_filter=chosen)
