"""One retraining of a home at a time, between real processes; and the signs of life of a run."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flows.steps.living import WORKER_VARIABLE, sign_of_life
from flows.steps.turns import AnotherRetrainingError, turn
from service.release.home import Home
from tests.conftest import SMALL, environment, started


@contextmanager
def process(script: str, home: Path, **extra: str) -> Iterator[subprocess.Popen[str]]:
    """A Python that has imported what the script needs once its first line is read; killed at the end."""
    code = "import sys, time; from pathlib import Path; from service.release.home import Home\n"
    code += f"home = Home(Path({str(home)!r}))\n{script}\nprint('there', flush=True); time.sleep(60)"
    running = subprocess.Popen(
        [sys.executable, "-c", code], env=environment(home, extra=extra), stdout=subprocess.PIPE, text=True
    )
    try:
        assert running.stdout is not None
        assert running.stdout.readline() == "there\n"
        yield running
    finally:
        running.kill()
        running.communicate()


def test_a_second_retraining_is_told_who_has_the_turn_and_a_killed_one_has_none(tmp_path: Path) -> None:
    home = Home(tmp_path)
    held = "from flows.steps.turns import turn; held = turn(home, 'flow run quick-fox'); held.__enter__()"
    with (
        process(held, tmp_path) as other,
        pytest.raises(AnotherRetrainingError, match=f"flow run quick-fox, process {other.pid} on "),
        turn(home, "me"),
    ):
        pass
    with turn(home, "me"):
        pass


def test_training_by_hand_waits_for_its_turn_and_says_for_whom(prefect_api: str, photos: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with turn(Home(home), "the night's run"):
        waiting = started("train", "--source", str(photos), *SMALL, home=home, prefect=prefect_api)
        with waiting as command:
            assert command.stdout is not None
            lines: list[str] = []
            while not any("waiting for another retraining" in line for line in lines):
                lines.append(command.stdout.readline())
                assert lines[-1], lines
            assert "the night's run" in lines[-1]
            assert command.poll() is None
            assert not (home / "training").exists()


def test_a_run_lives_while_its_process_does_and_clocks_do_not_matter(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert sign_of_life(home, "a") is None
    with process("from flows.steps.living import show_life; show_life(home, 'a')", tmp_path):
        os.utime(tmp_path / "runs" / "a.json", (0, 0))
        sign = sign_of_life(home, "a")
        assert sign is not None
        assert sign.here
        assert sign.held is True
    sign = sign_of_life(home, "a")
    assert sign is not None
    assert sign.held is False


def test_a_run_ends_with_the_worker_that_started_it(tmp_path: Path) -> None:
    with process("", tmp_path) as worker:
        quick = "import flows.steps.living as living; living.BEAT_SECONDS = 0.1; living.show_life(home, 'a')"
        with process(quick, tmp_path, **{WORKER_VARIABLE: str(worker.pid)}) as run:
            time.sleep(0.5)
            assert run.poll() is None
            worker.kill()
            worker.wait()
            assert run.wait(10) == -9
