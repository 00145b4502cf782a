from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.release.channels import Channels
from service.release.home import Home
from service.release.lineage import Lineage
from service.release.pruning import prune_releases
from service.release.serving import Observation, ServingRecords
from service.release.store import ReleaseStore

Publish = Callable[[str], Path]
# Releases of these tests were made at the beginning of 2026.
LATER = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def prune(home: Home, *, keep: int = 1, older_than: timedelta = 30 * DAY, now: datetime = LATER) -> list[str]:
    return prune_releases(home, keep=keep, older_than=older_than, who="tester", now=now)


def loads(home: Home, version: str, beat: datetime) -> None:
    seen = Observation(worker="worker-1", beat=beat, champion=None, watched_seconds=0, release=version)
    ServingRecords(home).write(seen)


@pytest.fixture
def eight(home: Home, publish: Publish) -> Home:
    """A home with eight releases; 3 was champion and is previous, 4 is champion, 5 the candidate."""
    for number in range(1, 9):
        publish(str(number))
    for version in ("2", "3", "4"):
        Channels(home).promote(version, who="tester", why="a test", verdict="fine")
    Channels(home).propose("5", who="tester", why="a test", verdict="fine")
    return home


def test_what_a_channel_names_what_is_loaded_and_the_newest_stay(eight: Home) -> None:
    loads(eight, "1", LATER - timedelta(minutes=4))
    before = Channels(eight).read()
    assert prune(eight, keep=2) == ["2", "6"]
    assert ReleaseStore(eight).versions() == ["1", "3", "4", "5", "7", "8"]
    after = Channels(eight).read()
    assert (after.champion, after.previous, after.candidate) == (before.champion, before.previous, before.candidate)


def test_a_release_is_in_the_journal_before_it_goes_and_once(eight: Home) -> None:
    prune(eight, keep=2)
    pruned = [move for move in Channels(eight).journal() if move.action == "prune"]
    assert [(move.release, move.who, move.replaces) for move in pruned] == [
        (version, "tester", None) for version in ("1", "2", "6")
    ]
    assert pruned[0].why == "older than 30 days, and not among the newest 2"
    assert [move.sequence for move in Channels(eight).journal()] == list(range(1, 8))
    assert prune(eight, keep=2) == []
    # The champion's own move is not hidden by it.
    assert Channels(eight).rollback(who="tester", why="worse").champion == "3"


def test_young_releases_stay_also_where_the_clock_was_moved_back(eight: Home) -> None:
    assert prune(eight, older_than=365 * DAY) == []
    assert prune(eight, now=datetime(2020, 1, 1, tzinfo=UTC)) == []


def test_what_a_dead_worker_had_loaded_goes_after_five_minutes_and_its_file_too(eight: Home) -> None:
    loads(eight, "1", LATER - timedelta(minutes=6))
    assert "1" in prune(eight)
    assert not list(eight.serving.glob("*.json"))


def test_a_worker_whose_beat_seems_to_come_keeps_its_release(eight: Home) -> None:
    loads(eight, "1", LATER + 365 * DAY)
    assert "1" not in prune(eight)


def test_a_damaged_release_is_left_for_people(eight: Home) -> None:
    (eight.store / "1" / "manifest.json").write_text("{")
    assert prune(eight) == ["2", "6", "7"]


def test_the_space_of_a_pruned_release_can_still_be_told(eight: Home) -> None:
    prune(eight)
    (known,) = Lineage(eight).of("1")
    assert (known.manifest.version, known.manifest.space_id, known.stored) == ("1", "space-1", False)


def test_a_release_that_cannot_be_removed_is_named_and_tried_again(eight: Home) -> None:
    eight.pruned.write_text("in the way")
    with pytest.raises(Exception, match="1 cannot be removed"):
        prune(eight)
    eight.pruned.unlink()
    assert prune(eight)[0] == "1"
