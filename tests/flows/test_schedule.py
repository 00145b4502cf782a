"""A schedule is a Prefect deployment that really fires."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from filelock import FileLock

from flows.steps.turns import turn
from service.release.channels import Channels
from service.release.home import Home
from tests.conftest import SMALL, Manifold, free_port, started


def deployment(api: str, name: str) -> dict[str, Any]:
    for _ in range(300):
        answer = httpx.get(f"{api}/deployments/name/retrain/{name}")
        if answer.status_code == 200:
            found: dict[str, Any] = answer.json()
            return found
        time.sleep(0.2)
    raise AssertionError(f"no deployment retrain/{name}")


def runs(api: str, name: str, state: str) -> list[dict[str, Any]]:
    wanted = {"deployments": {"name": {"any_": [name]}}, "flow_runs": {"state": {"name": {"any_": [state]}}}}
    found: list[dict[str, Any]] = httpx.post(f"{api}/flow_runs/filter", json=wanted).json()
    return found


def wait_until(there: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 120
    while not there():
        assert time.monotonic() < deadline, what
        time.sleep(0.3)


def test_an_interval_fires_again_and_again_whatever_is_killed_and_leaves_a_retraining_by_others_alone(
    prefect_api: str, photos: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    channels = Channels(Home(home))
    kept = home / "prefect" / "schedule-often.json"
    arguments = ["schedule", "--every", "5", "--name", "often", "--source", str(photos), *SMALL]
    # Nothing changes meanwhile, and nothing gets better.
    arguments += ["--even-if-unchanged", "--no-gate"]
    # Prefect looks every 10 seconds for what is due.
    often = {"PREFECT_WORKER_QUERY_SECONDS": "1"}
    with started(*arguments, home=home, prefect=prefect_api, extra=often):
        with turn(Home(home), "somebody else"):
            wait_until(lambda: runs(prefect_api, "often", "Skipped"), "no run was skipped")
            assert not channels.journal()
        # Others may be skipped for a later one.
        messages = [run["state"]["message"] for run in runs(prefect_api, "often", "Skipped")]
        assert any("another retraining" in message and "somebody else" in message for message in messages)
        wait_until(lambda: channels.read().champion, "no scheduled run finished")
        worker = json.loads(kept.read_bytes())["worker"]
        os.kill(worker, signal.SIGKILL)
        done = len(channels.journal())
        wait_until(lambda: len(channels.journal()) > done, "nothing was retrained after the worker was killed")
        assert json.loads(kept.read_bytes())["worker"] != worker
    assert {move.action for move in channels.journal()} == {"promote"}
    # Ended by a signal, its schedule is not left paused, and nothing of it is left under way.
    assert deployment(prefect_api, "often")["paused"] is False
    assert runs(prefect_api, "often", "Running") == []
    assert not kept.exists()


def test_a_cron_and_the_recipe_are_on_prefects_page(prefect_api: str, photos: Path, tmp_path: Path) -> None:
    arguments = ["schedule", "--cron", "0 3 * * *", "--name", "nightly", "--source", str(photos), *SMALL]
    arguments.append("--comparisons")
    with started(*arguments, home=tmp_path / "home", prefect=prefect_api):
        found = deployment(prefect_api, "nightly")
        (schedule,) = found["schedules"]
        assert schedule["schedule"]["cron"] == "0 3 * * *"
        assert schedule["active"] is True
        # The form for a run by hand: the recipe's fields with their limits.
        recipe = found["parameter_openapi_schema"]["definitions"]["Recipe"]["properties"]
        assert {"layers", "corruption", "pretraining", "seed"} <= set(recipe)
        assert found["parameters"]["recipe"]["layers"][0]["width"] == 32
        assert found["parameters"]["comparisons"] is True


def test_a_server_that_does_not_answer_is_named(manifold_here: Manifold, photos: Path, tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/api"
    extra = {"PREFECT_API_URL": nobody, "MANIFOLD_SERVER_START_SECONDS": "0"}
    result = manifold_here("schedule", "--every", "60", "--source", str(photos), home=tmp_path / "home", extra=extra)
    assert result.returncode == 1
    assert f"no Prefect server answers at {nobody}, which is what PREFECT_API_URL says" in result.stderr


def test_a_port_that_is_taken_is_named(manifold_here: Manifold, photos: Path, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        arguments = ("schedule", "--every", "60", "--port", port, "--source", str(photos))
        result = manifold_here(*arguments, home=tmp_path / "home")
    assert result.returncode == 1
    assert f"port {port} is taken" in result.stderr


def test_a_schedule_is_kept_by_one_process(manifold_here: Manifold, photos: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "prefect").mkdir(parents=True)
    with FileLock(home / "prefect" / "schedule-retrain.lock"):
        result = manifold_here("schedule", "--every", "60", "--source", str(photos), home=home)
    assert result.returncode == 1
    assert "kept by another process" in result.stderr
