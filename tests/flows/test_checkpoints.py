"""Killed hard at any moment within a layer and started again, training goes on from its checkpoint."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from flows.steps.checkpoints import CheckpointError, CheckpointFile
from flows.steps.datasets import PrepareSettings, prepare_dataset
from flows.steps.errors import SettingError
from flows.steps.places import checkpoint_seconds
from flows.steps.recipes import load_recipe
from flows.steps.training import pretrain_step, scale_dataset
from flows.steps.training_state import WEIGHTS_FILE, finished, prune_training
from models.checkpoints import Checkpoint
from models.errors import TrainingDivergedError
from service.release.atomic import folder_in_one_step
from tests.flows import learn_layers

_PHASES = ("layer1", "layer2", "stack", "classifier")


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
    said, _ = learn(home).communicate(timeout=240)
    return said.splitlines()


def place(line: str) -> int:
    """Which of all epochs a line tells of, from 0."""
    phase, epoch = line.split()
    return learn_layers.EPOCHS * _PHASES.index(phase) + int(epoch) - 1


def test_killed_in_every_phase_the_weights_are_those_of_an_undisturbed_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learn_layers.main(tmp_path / "undisturbed")
    undisturbed = capsys.readouterr().out.splitlines()
    home = tmp_path / "killed"
    heard: list[str] = []
    moments = np.random.default_rng(0)
    for phase in _PHASES:
        process = learn(home)
        assert process.stdout is not None
        moment = f"{phase} {moments.integers(2, 5)}"
        for line in process.stdout:
            heard.append(line.strip())
            if heard[-1] == moment:
                break
        process.send_signal(signal.SIGKILL)
        # Too quick for the kill, it has told of its folders too.
        heard += [line for line in process.communicate()[0].splitlines() if line.startswith(_PHASES)]
    heard += finish(home)
    # No epoch is learned twice, but for one whose kill came between its report and the next step's checkpoint.
    epochs, expected = [place(line) for line in heard[:-2]], list(range(learn_layers.EPOCHS * len(_PHASES)))
    assert list(dict.fromkeys(epochs)) == expected == [place(line) for line in undisturbed[:-2]]
    assert set(np.diff(epochs)) <= {0, 1}
    for ours, theirs in zip(heard[-2:], undisturbed[-2:], strict=True):
        assert (Path(ours) / WEIGHTS_FILE).read_bytes() == (Path(theirs) / WEIGHTS_FILE).read_bytes()
    left = {path.name.partition("-")[0] for path in (home / "training").iterdir()}
    assert left == {"rows", *_PHASES}, "no checkpoint, and nothing that the killed were writing"


@pytest.mark.parametrize("seconds", [0, 1000])
def test_a_layer_that_diverges_says_where_its_last_good_checkpoint_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    monkeypatch.setenv("MANIFOLD_CHECKPOINT_SECONDS", str(seconds))
    # All linear, and plain descent: a step too large makes the error larger, and the next step too.
    linear = ("layers=[8]", "code_activation=linear", "output_activation=linear", "loss=squared_error")
    descent = ("pretraining.optimiser={name: sgd, learning_rate: 0.7}", "pretraining.batch_size=200")
    recipe = load_recipe("ae", [*linear, *descent])
    dataset = prepare_dataset("digits", home=tmp_path, data_folder=tmp_path, settings=PrepareSettings())
    rows = scale_dataset(dataset, recipe, tmp_path)
    with pytest.raises(TrainingDivergedError) as caught:
        pretrain_step(dataset, recipe, 0, rows, tmp_path)
    pattern = r"layer 1: .* at step (\d+) of (\d+) in epoch (\d+), with a learning rate of 0\.7 .*; (.*)"
    said = re.fullmatch(pattern, str(caught.value))
    assert said, str(caught.value)
    step, steps, epoch = (int(said[number]) for number in (1, 2, 3))
    left = {path.name for path in (tmp_path / "training").iterdir()} - {rows.name}
    if seconds:
        assert (said[4], left) == ("no checkpoint was due yet", set())
        return
    kept = re.fullmatch(
        r"the last good checkpoint is (\S+), weights and optimiser .* starts this training anew", said[4]
    )
    assert kept, said[4]
    path = Path(kept[1])
    assert left == {path.name}
    checkpoint = CheckpointFile(path, 0).last()
    assert checkpoint is not None
    assert all(bool(tensor.isfinite().all()) for name, tensor in checkpoint.tensors.items() if name.startswith("model"))
    place = checkpoint.progress["epoch"] * steps + checkpoint.progress["step"]
    assert 0 < place <= (epoch - 1) * steps + step


def test_the_next_run_of_a_step_removes_what_a_killed_one_was_writing(tmp_path: Path) -> None:
    training = tmp_path / "training"
    (training / ".layer1-a.1.b").mkdir(parents=True)
    (training / ".layer1-a.1.b" / "train.npy").write_bytes(b"half")
    (training / ".layer1-a.checkpoint.1.b").write_bytes(b"half")
    with folder_in_one_step(training / "layer1-a") as anothers:
        finished(tmp_path, "layer1-a", lambda draft: (draft / "train.npy").touch())
        assert {path.name for path in training.iterdir()} == {"layer1-a", anothers.name}


def test_what_is_being_written_is_not_pruned_however_old(tmp_path: Path) -> None:
    training = tmp_path / "training"
    (training / ".layer1-a.1.b").mkdir(parents=True)
    with folder_in_one_step(training / "layer2-a") as draft:
        for path in training.iterdir():
            os.utime(path, (0, 0))
        assert prune_training(tmp_path, now=datetime.now(UTC), unused_for=timedelta(days=7)) == [".layer1-a.1.b"]
        assert draft.is_dir()


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
