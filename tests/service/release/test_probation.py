"""What becomes of a new champion that fails in service, by what workers wrote down."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from service.release.channels import Channels
from service.release.errors import PolicyError
from service.release.home import Home
from service.release.journal import Move
from service.release.policy import ReleasePolicy, read_policy
from service.release.probation import end_failed_probation
from service.release.serving import Observation, Refusal, ServingRecords

Publish = Callable[[str], Path]
NOW = datetime.now(UTC)
POLICY = ReleasePolicy()


def promote(home: Home, version: str, **how: Any) -> None:
    Channels(home).promote(version, who="tester", why="a test", verdict="fine", **how)


def observed(**fields: Any) -> Observation:
    stated = {
        "worker": "worker-1",
        "beat": datetime.now(UTC),
        "champion": "new",
        "watched_seconds": 1.0,
        "release": "new",
    }
    return Observation.model_validate(stated | fields)


def refusal(**fields: Any) -> Refusal:
    return Refusal.model_validate(
        {"release": "new", "message": "golden code differs", "golden": True, "tries": 1} | fields
    )


def judged(home: Home, *observations: Observation, **how: Any) -> Move | None:
    for observation in observations:
        ServingRecords(home).write(observation)
    return end_failed_probation(home, POLICY, **how)


@pytest.fixture
def promoted(home: Home, publish: Publish) -> Home:
    """A home whose champion `new` took the place of `old`."""
    for version in ("old", "new"):
        publish(version)
        promote(home, version)
    return home


def test_a_champion_that_gives_other_answers_in_service_goes_back_once_with_notice(
    promoted: Home, caplog: pytest.LogCaptureFixture
) -> None:
    seen = observed(release="old", refused=refusal())
    move = judged(promoted, seen)
    assert move is not None
    assert (move.action, move.release, move.replaces, move.who) == ("rollback", "old", "new", "probation")
    assert "worker-1 could not take it: golden code differs" in move.why
    assert Channels(promoted).read().champion == "old"
    assert [entry.levelname for entry in caplog.records if "rollback of old instead of new" in entry.message] == [
        "WARNING"
    ]
    # The same file is still there; it says nothing new.
    assert judged(promoted, seen) is None
    assert [entry.who for entry in Channels(promoted).journal()] == ["tester", "tester", "probation"]


@pytest.mark.parametrize(("tries", "goes_back"), [(1, False), (2, True)])
def test_a_champion_that_could_not_be_loaded_gets_a_second_try(promoted: Home, tries: int, goes_back: bool) -> None:
    found = judged(
        promoted, observed(release="old", refused=refusal(golden=False, tries=tries, message="no such file"))
    )
    assert (found is not None) is goes_back


@pytest.mark.parametrize(
    ("requests", "failures", "goes_back"), [(100, 6, True), (100, 5, False), (19, 19, False), (20, 2, True)]
)
def test_the_share_of_failed_requests_of_all_workers_decides(
    promoted: Home, requests: int, failures: int, goes_back: bool
) -> None:
    first = observed(requests=requests - 7, failures=failures - 1)
    second = observed(worker="worker-2", requests=7, failures=1)
    move = judged(promoted, first, second)
    assert (move is not None) is goes_back
    if move is not None:
        assert f"{failures} of {requests} requests failed" in move.why


def test_requests_of_another_release_and_files_of_dead_workers_do_not_count(promoted: Home) -> None:
    long_ago = datetime.now(UTC) - timedelta(minutes=6)
    other = observed(release="old", requests=100, failures=100)
    dead = observed(worker="worker-2", beat=long_ago, refused=refusal())
    assert judged(promoted, other, dead) is None


@pytest.mark.parametrize(
    ("moved", "watched", "on_probation"),
    [
        (timedelta(minutes=59), 1.0, True),
        (timedelta(minutes=61), 1.0, False),
        # The clock went back: its promotion seems to be to come. A worker's own time goes on.
        (timedelta(days=-400), 1.0, True),
        (timedelta(days=-400), 3601.0, False),
    ],
)
def test_a_probation_ends_by_the_clock_and_by_the_time_a_worker_has_seen(
    promoted: Home, moved: timedelta, watched: float, on_probation: bool
) -> None:
    now = datetime.now(UTC) + moved
    seen = observed(beat=now, refused=refusal(), watched_seconds=watched)
    assert (judged(promoted, seen, now=now) is not None) is on_probation


def test_the_first_champion_and_one_that_was_rolled_back_to_have_no_probation(home: Home, publish: Publish) -> None:
    publish("old")
    promote(home, "old")
    assert judged(home, observed(refused=refusal(release="old"))) is None
    publish("new")
    promote(home, "new")
    Channels(home).rollback(who="tester", why="worse")
    assert judged(home, observed(refused=refusal(release="old"))) is None
    assert Channels(home).read().champion == "old"


def test_what_failed_in_its_probation_is_promoted_by_a_person_only_and_then_stays(promoted: Home) -> None:
    judged(promoted, observed(refused=refusal()))
    promote(promoted, "new", by_itself=True)
    assert Channels(promoted).read().champion == "old"
    promote(promoted, "new")
    assert judged(promoted, observed(refused=refusal())) is None
    assert Channels(promoted).read().champion == "new"


def test_no_probation_goes_back_to_a_release_that_is_gone(promoted: Home) -> None:
    (promoted.store / "old").rename(promoted.root / "gone")
    assert judged(promoted, observed(refused=refusal())) is None
    assert Channels(promoted).read().champion == "new"


def test_a_file_that_no_worker_wrote_is_left_out(promoted: Home) -> None:
    ServingRecords(promoted).write(observed())
    (promoted.serving / "other.json").write_text("{")
    assert [each.worker for each in ServingRecords(promoted).fresh()] == ["worker-1"]


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANIFOLD_KEEP_DAYS", "soon")
    with pytest.raises(PolicyError, match="MANIFOLD_KEEP_DAYS=soon"):
        read_policy()
