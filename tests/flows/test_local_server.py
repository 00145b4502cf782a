"""Starts of Prefect servers beside each other; none is let come so far as to answer."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from filelock import FileLock

from flows.local_server import ServerError, prefect_server
from flows.steps.errors import SettingError


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else's server, and no time for one of ours."""
    for name in ("PREFECT_API_URL", "PREFECT_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MANIFOLD_SERVER_START_SECONDS", "0")


def start(home: Path) -> str:
    """What is said of a start."""
    with pytest.raises(ServerError) as caught, prefect_server(home):
        pass
    return str(caught.value)


def logs(home: Path) -> set[Path]:
    return set((home / "prefect").glob("*.log"))


def test_a_start_waits_for_another_one_in_the_same_home(impatient: None, tmp_path: Path) -> None:
    (tmp_path / "prefect").mkdir()
    with ThreadPoolExecutor(1) as other:
        with FileLock(tmp_path / "prefect" / "server.lock"):
            starting = other.submit(start, tmp_path)
            assert not wait([starting], timeout=1).done
            assert logs(tmp_path) == set()
        starting.result(timeout=60)
    assert len(logs(tmp_path)) == 1


def test_a_start_that_takes_too_long_names_its_own_log_and_what_gives_it_longer(
    impatient: None, tmp_path: Path
) -> None:
    first = start(tmp_path)
    (log,) = logs(tmp_path)
    assert str(log) in first
    assert "busy machine may need longer: set MANIFOLD_SERVER_START_SECONDS" in first
    second = start(tmp_path)
    (other,) = logs(tmp_path) - {log}
    assert str(other) in second


def test_the_logs_of_the_last_starts_are_kept(impatient: None, tmp_path: Path) -> None:
    folder = tmp_path / "prefect"
    folder.mkdir()
    for number in range(12):
        (folder / f"server-{number:02}.log").touch()
        os.utime(folder / f"server-{number:02}.log", (number, number))
    start(tmp_path)
    assert len(logs(tmp_path)) == 10
    assert folder / "server-11.log" in logs(tmp_path)


def test_a_wait_that_is_no_number_is_refused(impatient: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MANIFOLD_SERVER_START_SECONDS", "long")
    with pytest.raises(SettingError, match="MANIFOLD_SERVER_START_SECONDS: 'long' came"), prefect_server(tmp_path):
        pass
