from __future__ import annotations

from pathlib import Path

from benchmarks.retraining.promotions import PROCESSES, promotions_lost
from service.release.channels import Channels
from service.release.home import Home


def test_of_twenty_promotions_at_once_none_is_lost_and_the_journal_has_no_gap(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert promotions_lost(home, PROCESSES) == 0
    assert [move.sequence for move in Channels(home).journal()] == list(range(1, PROCESSES + 1))
