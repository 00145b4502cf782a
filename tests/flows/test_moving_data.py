"""Whole runs of the flow on data that has not moved, and on data that has."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.release.channels import Channels
from service.release.home import Home
from service.release.store import ReleaseStore
from tests.conftest import SMALL, Manifold


@pytest.fixture
def home(trained_home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_home, tmp_path / "home"))


def run_of(api: str, home: Path) -> dict[str, Any]:
    """The one run in a home that no schedule asked for; others' runs are on the same server."""
    asked_for = {"flow_runs": {"deployment_id": {"is_null_": True}}}
    runs = httpx.post(f"{api}/flow_runs/filter", json=asked_for).json()
    (run,) = (run for run in runs if run["parameters"].get("home") == str(home))
    found: dict[str, Any] = run
    return found


def artifacts(api: str, run: dict[str, Any]) -> dict[str, str]:
    found = httpx.post(f"{api}/artifacts/filter", json={"artifacts": {"flow_run_id": {"any_": [run["id"]]}}}).json()
    return {artifact["key"]: artifact["data"] for artifact in found if artifact["key"]}


def test_nothing_changed_ends_as_a_completed_run_that_says_so_and_has_done_nothing(
    manifold: Manifold, home: Path, photos: Path, prefect_api: str
) -> None:
    before = Channels(Home(home)).read(), ReleaseStore(Home(home)).versions()
    version = before[0].champion

    result = manifold("train", "--source", str(photos), *SMALL, "--only-if-changed", home=home)

    assert result.returncode == 0, result.stdout + result.stderr
    said = f"nothing has changed since release {version}"
    assert said in result.stdout
    assert (Channels(Home(home)).read(), ReleaseStore(Home(home)).versions()) == before
    run = run_of(prefect_api, home)
    assert (run["state"]["type"], run["state"]["message"]) == ("COMPLETED", said)
    assert said in artifacts(prefect_api, run)["unchanged"]
    tasks = httpx.post(f"{prefect_api}/task_runs/filter", json={"flow_runs": {"id": {"any_": [run["id"]]}}}).json()
    assert [task["name"].rpartition("-")[0] for task in tasks] == ["find_unchanged"]
    logs = httpx.post(f"{prefect_api}/logs/filter", json={"logs": {"flow_run_id": {"any_": [run["id"]]}}}).json()
    assert any(said in log["message"] for log in logs)


def test_data_that_moved_stops_the_run_before_training_with_the_report_and_leaves_the_champion(
    manifold: Manifold, home: Path, photos: Path, prefect_api: str, tmp_path: Path
) -> None:
    before = Channels(Home(home)).read(), ReleaseStore(Home(home)).versions(), Channels(Home(home)).journal()
    trained = set((home / "training").iterdir())
    moved = Path(shutil.copytree(photos, tmp_path / "photos"))
    (moved / "cat").rename(moved / "kat")

    arguments = ("--source", str(moved), *SMALL, "--only-if-changed", "--refuse-moved-data")
    result = manifold("train", *arguments, home=home)

    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    for word in ("the data has moved", "labels gone", "cat", "new labels", "kat", "the champion stays"):
        assert word in result.stderr
    after = Channels(Home(home)).read(), ReleaseStore(Home(home)).versions(), Channels(Home(home)).journal()
    assert after == before
    assert set((home / "training").iterdir()) == trained
    run = run_of(prefect_api, home)
    assert run["state"]["type"] == "FAILED"
    assert "labels gone" in run["state"]["message"]
    assert "| **does not hold** | labels gone |" in artifacts(prefect_api, run)["data-checks"]
