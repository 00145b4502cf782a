"""A run that is killed in a layer and started again goes on from that layer, and ends with the same weights."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from flows.steps.datasets import PrepareSettings, prepare_dataset
from flows.steps.recipes import load_recipe
from flows.steps.training import fine_tune_step, pretrain_step, scale_dataset
from flows.steps.training_state import WEIGHTS_FILE
from service.release.channels import Channels
from service.release.home import Home
from service.release.store import ReleaseStore
from tests.conftest import Manifold, environment

_SETTINGS = (
    "layers=[48,24,8]",
    "pretraining.epochs=40",
    "fine_tuning.epochs=2",
    "pretraining.minimum_steps=0",
    "fine_tuning.minimum_steps=0",
)


def champion_weights(home: Path) -> bytes:
    champion = Channels(Home(home)).read().champion
    assert champion is not None
    return (ReleaseStore(Home(home)).folder(champion) / "weights.safetensors").read_bytes()


def wait_for(home: Path, pattern: str) -> Path:
    for _ in range(2000):
        for found in (home / "training").glob(pattern):
            return found
        time.sleep(0.02)
    raise AssertionError(f"no {pattern} in {home / 'training'}")


def learned(source: Path, home: Path, *settings: str) -> tuple[bytes, list[bool]]:
    """The weights that the same steps learn in this process, and whether each layer had been finished before."""
    recipe = load_recipe("sdae", [*_SETTINGS, *settings])
    dataset = prepare_dataset(str(source), home=home, data_folder=home / "data", settings=PrepareSettings())
    rows = scale_dataset(dataset, recipe, home)
    layers: list[Path] = []
    reused = []
    for index in range(3):
        folder, before = pretrain_step(dataset, recipe, index, layers[-1] if layers else rows, home)
        layers.append(folder)
        reused.append(before)
    folder, _ = fine_tune_step(dataset, recipe, rows, layers, home)
    return (folder / WEIGHTS_FILE).read_bytes(), reused


def test_a_run_killed_in_a_layer_goes_on_from_that_layer(
    manifold: Manifold, photos: Path, prefect_api: str, tmp_path: Path
) -> None:
    command = ["train", "--source", str(photos), *(part for setting in _SETTINGS for part in ("--set", setting))]
    home = tmp_path / "killed"
    killed = subprocess.Popen(
        [Path(sys.executable).with_name("manifold"), *command],
        env=environment(home, prefect_api),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    first = wait_for(home, "layer1-*")
    wait_for(home, ".layer2-*")
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert ReleaseStore(Home(home)).versions() == []
    assert not list((home / "training").glob("layer2-*")), "layer 2 was to be killed before its end"
    written = (first / "weights.safetensors").stat().st_mtime_ns

    resumed = manifold(*command, home=home)
    assert resumed.returncode == 0, resumed.stderr
    assert "layer 1 of 3: finished before" in resumed.stdout
    assert "layer 2 of 3: loss" in resumed.stdout
    assert (first / "weights.safetensors").stat().st_mtime_ns == written

    weights, reused = learned(photos, tmp_path / "undisturbed")
    assert reused == [False, False, False]
    assert champion_weights(home) == weights

    # A change of the top layer trains that layer alone; the others are those of the first run.
    weights, reused = learned(photos, home, "layers=[48,24,4]")
    assert reused == [True, True, False]
    assert champion_weights(home) != weights
