"""What a watch does with runs on a real Prefect server; none of them is really run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Pending, Running, Scheduled

from flows.schedule import Timing, renew_deployment
from flows.steps.checks import DataChecks
from flows.steps.living import show_life
from flows.steps.parameters import retrain_parameters
from flows.supervision.watching import Watch
from models.recipe import Recipe, parse_recipe
from service.release.home import Home

RECIPE: Recipe = parse_recipe({"name": "tiny", "kind": "sae", "layers": [8, 4]})


@pytest.fixture
def client(prefect_api: str) -> Iterator[SyncPrefectClient]:
    with temporary_settings({PREFECT_API_URL: prefect_api}), get_client(sync_client=True) as client:
        yield client


class Scene:
    """A home, its deployment, a watch, and the watch's clock."""

    def __init__(self, client: SyncPrefectClient, home: Home, name: str) -> None:
        self.client, self.home, self.time = client, home, 1000.0
        self.deployment = self.renewed(name, timedelta(days=3650))
        self.watch = Watch(home, self.deployment, clock=lambda: self.time)

    def renewed(self, name: str, interval: timedelta) -> UUID:
        parameters = retrain_parameters(
            self.home,
            "digits",
            RECIPE,
            skip_bad=False,
            label_column=None,
            promote=True,
            gate=True,
            comparisons=False,
            only_if_changed=False,
            checks=DataChecks(),
        )
        return renew_deployment(name, Timing(None, interval), parameters)

    def run(self, *states: State[None]) -> FlowRun:
        run = self.client.create_flow_run_from_deployment(self.deployment, state=states[0])
        for state in states[1:]:
            self.client.set_flow_run_state(run.id, state)
        return run

    def state(self, run: FlowRun) -> tuple[str | None, str]:
        state = self.client.read_flow_run(run.id).state
        assert state is not None
        return state.name, state.message or ""


@pytest.fixture
def scene(client: SyncPrefectClient, tmp_path: Path) -> Scene:
    return Scene(client, Home(tmp_path / "home"), tmp_path.name)


def runs_again(scene: Scene, run: FlowRun) -> list[FlowRun]:
    found = scene.client.read_flow_runs(limit=200)
    return [one for one in found if one.idempotency_key == f"again-{run.id}"]


def test_of_the_runs_that_came_due_meanwhile_the_newest_is_left(scene: Scene) -> None:
    now = datetime.now(UTC)
    late = [scene.run(Scheduled(scheduled_time=now - timedelta(hours=hours))) for hours in (3, 1, 2)]
    ahead = scene.run(Scheduled(scheduled_time=now + timedelta(hours=1)))
    scene.watch.look()
    assert [scene.state(run)[0] for run in (*late, ahead)] == ["Skipped", "Scheduled", "Skipped", "Scheduled"]
    assert late[1].name in scene.state(late[0])[1]


def test_a_run_that_says_nothing_for_a_minute_crashed_and_is_taken_up_once(scene: Scene) -> None:
    silent, living = scene.run(Pending(), Running()), scene.run(Pending(), Running())
    beginning = scene.run(Pending())
    show_life(scene.home, str(living.id))
    scene.watch.look()
    scene.time += 59
    scene.watch.look()
    assert scene.state(silent)[0] == "Running"
    scene.time += 2
    # What a living process does every few seconds.
    path = scene.home.root / "runs" / f"{living.id}.json"
    path.touch()
    scene.watch.look()
    scene.watch.look()
    assert scene.state(silent) == ("Crashed", "Found dead: no sign of life for 61 s.")
    assert scene.state(living)[0] == "Running"
    assert scene.state(beginning)[0] == "Pending"
    (again,) = runs_again(scene, silent)
    assert again.parameters["home"] == str(scene.home.root)
    assert again.tags == ["again-1"]


def test_runs_of_a_worker_that_is_gone_are_crashed_at_once_but_those_of_other_homes_stay(
    scene: Scene, client: SyncPrefectClient, tmp_path: Path
) -> None:
    elsewhere = Scene(client, Home(tmp_path / "elsewhere"), f"{tmp_path.name}-elsewhere")
    theirs = elsewhere.run(Pending(), Running())
    running, pending = scene.run(Pending(), Running()), scene.run(Pending())
    scene.watch.look(no_worker=True)
    assert scene.state(running) == ("Crashed", "Found dead: its worker ended.")
    assert scene.state(pending)[0] == "Crashed"
    scene.time += 1000
    scene.watch.look()
    assert scene.state(theirs)[0] == "Running"


def test_what_crashes_again_and_again_is_left_alone_in_the_end(scene: Scene) -> None:
    run = scene.run(Pending())
    for attempt in range(1, 4):
        scene.watch.look(no_worker=True)
        (run,) = runs_again(scene, run)
        assert run.tags == [f"again-{attempt}"]
        scene.client.set_flow_run_state(run.id, Pending())
    scene.watch.look(no_worker=True)
    assert scene.state(run)[0] == "Crashed"
    assert runs_again(scene, run) == []


def test_renewing_a_schedule_neither_doubles_nor_pauses_nor_shifts_it(scene: Scene, tmp_path: Path) -> None:
    name = tmp_path.name
    before = scene.client.read_deployment(scene.deployment)
    scene.client.pause_deployment(scene.deployment)
    assert scene.renewed(name, timedelta(days=3650)) == scene.deployment
    after = scene.client.read_deployment(scene.deployment)
    assert after.paused is False
    assert [one.id for one in after.schedules] == [one.id for one in before.schedules]
    assert scene.renewed(name, timedelta(days=10)) == scene.deployment
    (changed,) = scene.client.read_deployment(scene.deployment).schedules
    assert getattr(changed.schedule, "interval", None) == timedelta(days=10)
    assert getattr(changed.schedule, "anchor_date", None) == datetime(2024, 1, 1, tzinfo=UTC)
