"""A run that is killed in a layer and started again goes on from that layer, and ends with the same weights."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from service.release.channels import Channels
from service.release.home import Home
from service.release.store import ReleaseStore
from tests.conftest import Manifold, environment

_RECIPE: tuple[str, ...] = (
    "--set",
    "layers=[48,24,8]",
    "--set",
    "pretraining.epochs=40",
    "--set",
    "fine_tuning.epochs=2",
)
_RECIPE += ("--set", "pretraining.minimum_steps=0", "--set", "fine_tuning.minimum_steps=0")


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


def test_a_run_killed_in_a_layer_goes_on_from_that_layer(
    manifold: Manifold, photos: Path, prefect_api: str, tmp_path: Path
) -> None:
    command = ["train", "--source", str(photos), *_RECIPE]
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

    undisturbed = manifold(*command, home=tmp_path / "undisturbed")
    assert undisturbed.returncode == 0, undisturbed.stderr
    assert champion_weights(home) == champion_weights(tmp_path / "undisturbed")

    # A change of the top layer trains that layer alone; the others are those of the first run.
    changed = manifold(*command, "--set", "layers=[48,24,4]", home=home)
    assert changed.returncode == 0, changed.stderr
    assert "layer 2 of 3: finished before" in changed.stdout
    assert "layer 3 of 3: loss" in changed.stdout
    shown = json.loads(manifold("releases", "show", "champion", "--json", home=home).stdout)
    assert [layer["width"] for layer in shown["code"]["layers"]] == [48, 24, 4]
