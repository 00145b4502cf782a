"""Killed hard at any moment within a layer and started again, training goes on from its checkpoint."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from flows.steps.checkpoints import CheckpointError, CheckpointFile
from flows.steps.errors import SettingError
from flows.steps.places import checkpoint_seconds
from flows.steps.training_state import WEIGHTS_FILE
from models.checkpoints import Checkpoint
from tests.flows import learn_layers

_KILLS = 4


def learn(home: Path) -> subprocess.Popen[str]:
    """A process that keeps a checkpoint after every step."""
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("learn_layers.py")), str(home)],
        env=os.environ | {"MANIFOLD_CHECKPOINT_SECONDS": "0", "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(home: Path) -> list[str]:
    """What a process says that nobody disturbs."""
    said, _ = learn(home).communicate(timeout=120)
    return said.splitlines()


def test_killed_again_and_again_within_layers_the_weights_are_those_of_an_undisturbed_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learn_layers.main(tmp_path / "undisturbed")
    undisturbed = capsys.readouterr().out.splitlines()
    home = tmp_path / "killed"
    heard: list[str] = []
    moments = np.random.default_rng(0)
    for _ in range(_KILLS):
        process = learn(home)
        assert process.stdout is not None
        heard += [process.stdout.readline().strip() for _ in range(int(moments.integers(1, 6)))]
        process.send_signal(signal.SIGKILL)
        heard += process.communicate()[0].splitlines()
    heard += finish(home)
    # No epoch is learned twice, but for one whose kill came between its report and the next step's checkpoint.
    epochs, expected = heard[:-1], undisturbed[:-1]
    assert list(dict.fromkeys(epochs)) == expected
    assert len(epochs) <= len(expected) + _KILLS
    weights = [(Path(said[-1]) / WEIGHTS_FILE).read_bytes() for said in (undisturbed, heard)]
    assert weights[0] == weights[1]
    assert not list((home / "training").glob("*.checkpoint")), "what is finished needs no checkpoint"


def test_a_damaged_checkpoint_is_named_and_not_taken_up(tmp_path: Path) -> None:
    path = tmp_path / "layer1.checkpoint"
    keeper = CheckpointFile(path, 0)
    assert keeper.last() is None
    keeper.keep(Checkpoint({}, {"epoch": 3}))
    assert keeper.last() == Checkpoint({}, {"epoch": 3})
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(CheckpointError, match=f"{path}: not a whole checkpoint"):
        keeper.last()


def test_seconds_between_checkpoints_are_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, seconds in (("0", 0.0), ("2.5", 2.5), ("", 15.0)):
        monkeypatch.setenv("MANIFOLD_CHECKPOINT_SECONDS", text)
        assert checkpoint_seconds() == seconds
    for text in ("soon", "-1", "inf"):
        monkeypatch.setenv("MANIFOLD_CHECKPOINT_SECONDS", text)
        with pytest.raises(SettingError, match="MANIFOLD_CHECKPOINT_SECONDS"):
            checkpoint_seconds()
