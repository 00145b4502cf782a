"""A schedule is a Prefect deployment that really fires."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx

from service.release.channels import Channels
from service.release.home import Home
from tests.conftest import SMALL, started


def deployment(api: str, name: str) -> dict[str, Any]:
    for _ in range(300):
        answer = httpx.get(f"{api}/deployments/name/retrain/{name}")
        if answer.status_code == 200:
            found: dict[str, Any] = answer.json()
            return found
        time.sleep(0.2)
    raise AssertionError(f"no deployment retrain/{name}")


def test_an_interval_fires_again_and_again_and_moves_the_champion(
    prefect_api: str, photos: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    arguments = ["schedule", "--every", "5", "--name", "often", "--source", str(photos), *SMALL]
    # Nothing changes meanwhile, and nothing gets better.
    arguments += ["--even-if-unchanged", "--no-gate"]
    # Prefect looks every 10 seconds for what is due.
    often = {"PREFECT_RUNNER_POLL_FREQUENCY": "1"}
    with started(*arguments, home=home, prefect=prefect_api, extra=often):
        deadline = time.monotonic() + 200
        while Channels(Home(home)).read().previous is None:
            assert time.monotonic() < deadline, "two scheduled runs did not finish"
            time.sleep(0.5)
    assert [move.action for move in Channels(Home(home)).journal()][:2] == ["promote", "promote"]
    # Ended by a signal, its schedule is not left paused: the next start goes on with it.
    assert deployment(prefect_api, "often")["paused"] is False


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
