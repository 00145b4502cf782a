from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from service.release.channels import Channels, ChannelState
from service.release.errors import ChannelError, UnknownReleaseError
from service.release.home import Home
from service.release.journal import Move

Publish = Callable[[str], Path]


def promote(home: Home, version: str) -> ChannelState:
    return Channels(home).promote(version, who="tester", why="a test", verdict="fine")


def test_before_the_first_move_no_channel_names_anything(home: Home) -> None:
    assert Channels(home).read() == ChannelState()


def test_a_promotion_moves_champion_and_previous_together(publish: Publish, home: Home) -> None:
    publish("1")
    publish("2")
    promote(home, "1")
    state = promote(home, "2")
    assert (state.champion, state.previous) == ("2", "1")
    assert Channels(home).read() == state


def test_a_rollback_restores_the_champion_and_can_be_undone(publish: Publish, home: Home) -> None:
    publish("1")
    publish("2")
    promote(home, "1")
    promote(home, "2")
    assert Channels(home).rollback(who="tester", why="worse").champion == "1"
    assert Channels(home).rollback(who="tester", why="was fine").champion == "2"


def test_a_rollback_without_a_previous_champion_is_refused(publish: Publish, home: Home) -> None:
    publish("1")
    promote(home, "1")
    with pytest.raises(ChannelError, match="no previous champion"):
        Channels(home).rollback(who="tester", why="?")
    assert Channels(home).read().champion == "1"


def test_an_unknown_release_is_not_promoted(publish: Publish, home: Home) -> None:
    publish("1")
    promote(home, "1")
    with pytest.raises(UnknownReleaseError, match="'9'"):
        promote(home, "9")
    assert Channels(home).read().champion == "1"


def test_promoting_the_champion_again_changes_nothing(publish: Publish, home: Home) -> None:
    publish("1")
    assert promote(home, "1") == promote(home, "1")
    assert len(Channels(home).journal()) == 1


def test_the_journal_tells_who_moved_what_and_why(publish: Publish, home: Home) -> None:
    publish("1")
    publish("2")
    promote(home, "1")
    Channels(home).propose("2", who="flow", why="retrained", verdict="to be judged")
    promote(home, "2")
    moves = Channels(home).journal()
    assert [(move.sequence, move.action, move.release, move.replaces) for move in moves] == [
        (1, "promote", "1", None),
        (2, "propose", "2", None),
        (3, "promote", "2", "1"),
    ]
    assert (moves[1].who, moves[1].why, moves[1].verdict) == ("flow", "retrained", "to be judged")
    assert Channels(home).read().candidate is None


@pytest.mark.parametrize("torn", [b"", b'{"sequence": 2, "wh'])
def test_a_journal_line_that_a_crash_kept_back_is_written_by_the_next(
    publish: Publish, home: Home, torn: bytes
) -> None:
    publish("1")
    publish("2")
    promote(home, "1")
    first = home.journal.read_bytes()
    promote(home, "2")
    home.journal.write_bytes(first + torn)
    assert [move.release for move in Channels(home).journal()] == ["1", "2"]


def test_a_damaged_channel_file_is_named(publish: Publish, home: Home) -> None:
    publish("1")
    promote(home, "1")
    home.channels.write_text("{")
    with pytest.raises(ChannelError, match=r"autoencoder\.json cannot be read"):
        Channels(home).read()


def test_promotions_at_once_from_several_processes_are_all_in_the_journal(publish: Publish, home: Home) -> None:
    versions = [str(number) for number in range(6)]
    for version in versions:
        publish(version)
    script = """
        import sys
        from pathlib import Path
        from service.release.channels import Channels
        from service.release.home import Home
        Channels(Home(Path(sys.argv[1]))).promote(sys.argv[2], who="p", why="race", verdict="")
    """
    processes = [
        subprocess.Popen([sys.executable, "-c", textwrap.dedent(script), str(home.root), version])
        for version in versions
    ]
    assert [process.wait(60) for process in processes] == [0] * len(versions)
    moves = Channels(home).journal()
    assert [move.sequence for move in moves] == list(range(1, 7))
    assert sorted(move.release for move in moves) == versions
    assert [move.replaces for move in moves[1:]] == [move.release for move in moves[:-1]]
    state = Channels(home).read()
    assert (state.champion, state.previous) == (moves[-1].release, moves[-2].release)


def test_a_promotion_whose_last_step_fails_is_undone_and_the_journal_says_so(publish: Publish, home: Home) -> None:
    publish("1")
    publish("2")
    promote(home, "1")
    Channels(home).propose("2", who="flow", why="retrained", verdict="to be judged")

    def fail(move: Move) -> None:
        assert Channels(home).read().champion == move.release == "2"
        raise OSError("nobody could be told")

    with pytest.raises(ChannelError, match=r"undone.*nobody could be told"):
        Channels(home).promote("2", who="flow", why="better", verdict="fine", then=fail)
    state = Channels(home).read()
    assert (state.champion, state.previous, state.candidate) == ("1", None, "2")
    last = Channels(home).journal()[-2:]
    assert [(move.action, move.release) for move in last] == [("promote", "2"), ("undo", "2")]
    # What was undone may be asked for again.
    assert Channels(home).promote("2", who="flow", why="better", verdict="fine", by_itself=True).champion == "2"


def test_the_same_promotion_asked_for_twice_by_a_run_is_one_move(publish: Publish, home: Home) -> None:
    for version in ("1", "2"):
        publish(version)
        Channels(home).promote(version, who=f"run {version}", why="retrained", verdict="fine", by_itself=True)
    # The first run's task, started again after the second one's promotion.
    state = Channels(home).promote("1", who="run 1", why="retrained", verdict="fine", by_itself=True)
    assert state.champion == "2"
    assert [move.release for move in Channels(home).journal()] == ["1", "2"]


def test_a_journal_that_cannot_be_written_never_gets_a_gap(publish: Publish, home: Home) -> None:
    for version in ("1", "2"):
        publish(version)
    home.journal.mkdir(parents=True)
    # The channels have moved, and say so; the line has to wait.
    assert promote(home, "1").champion == "1"
    with pytest.raises(ChannelError, match="promote of 2"):
        promote(home, "2")
    assert Channels(home).read().champion == "1"
    home.journal.rmdir()
    promote(home, "2")
    assert [(move.sequence, move.release) for move in Channels(home).journal()] == [(1, "1"), (2, "2")]


def test_the_history_can_be_read_where_nothing_can_be_written(publish: Publish, home: Home) -> None:
    publish("1")
    promote(home, "1")
    home.journal.unlink()
    assert [move.release for move in Channels(home).history()] == ["1"]
    assert not home.journal.exists()
