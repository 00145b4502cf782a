"""A retraining when nothing has changed: a deployment's run on 10,000 unchanged image files.

Its time is from the run's start to its end as Prefect has it, the median of five; the process that it runs in has to
start too, some seconds more on any machine. The images are MNIST's test images as PNG files, or random ones of that
size where `MANIFOLD_DATA` has none.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from benchmarks.harness import Row, Samples
from flows.local_server import prefect_server, set_environment
from service.release.channels import Channels
from service.release.home import Home
from service.release.store import ReleaseStore

_ROUNDS = 5
_FILES = 10_000
_SMALL = ("--set", "layers=[64,16]", "--set", "pretraining.epochs=1", "--set", "fine_tuning.epochs=1")
_MANIFOLD = str(Path(sys.executable).with_name("manifold"))


def noop_rows() -> Iterator[Row]:
    """`noop_retrain_s`."""
    with tempfile.TemporaryDirectory(prefix="manifold-bench-") as scratch:
        home = Path(scratch) / "home"
        set_environment(home)
        with prefect_server(home) as api:
            yield _nothing_changed(Path(scratch), home, api)


def _nothing_changed(scratch: Path, home: Path, api: str) -> Row:
    photos = _photos(scratch / "photos")
    environment = os.environ | {"MANIFOLD_HOME": str(home)}
    # The files' hashes are remembered where they were not written just now.
    time.sleep(3)
    subprocess.run([_MANIFOLD, "train", "--source", str(photos), *_SMALL], env=environment, check=True)
    versions = ReleaseStore(Home(home)).versions()
    command = [_MANIFOLD, "schedule", "--cron", "0 3 1 1 *", "--name", "bench", "--source", str(photos), *_SMALL]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as served:
        try:
            seconds = [_seconds(_run(api, _deployment(api))) for _ in range(_ROUNDS)]
        finally:
            served.terminate()
    assert ReleaseStore(Home(home)).versions() == versions
    assert len(Channels(Home(home)).journal()) == 1
    samples = Samples(tuple(seconds))
    return Row("noop_retrain_s", samples.median, "s", 5.0, "lower", seed=0, sides={"ours": samples.as_side()})


def _photos(folder: Path) -> Path:
    folder.mkdir()
    for number, image in enumerate(_images()):
        Image.fromarray(image).save(folder / f"{number:05}.png")
    return folder


def _images() -> np.ndarray:
    raw = Path(os.environ.get("MANIFOLD_DATA") or "data").absolute() / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
    if raw.is_file():
        return np.frombuffer(raw.read_bytes(), np.uint8, offset=16).reshape(-1, 28, 28)[:_FILES]
    print(f"no MNIST at {raw}: random images of its size")
    return np.random.default_rng(0).integers(0, 256, (_FILES, 28, 28), dtype=np.uint8)


def _deployment(api: str) -> str:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        answer = httpx.get(f"{api}/deployments/name/retrain/bench")
        if answer.status_code == 200:
            return str(answer.json()["id"])
        time.sleep(0.5)
    raise AssertionError("the schedule was not there in 120 s")


def _run(api: str, deployment: str) -> dict[str, Any]:
    """One run of the deployment, asked for now, at its end."""
    asked = httpx.post(f"{api}/deployments/{deployment}/create_flow_run", json={"state": {"type": "SCHEDULED"}}).json()
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        run: dict[str, Any] = httpx.get(f"{api}/flow_runs/{asked['id']}").json()
        if run["state_type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}:
            return run
        time.sleep(0.5)
    raise AssertionError("the run did not end in 120 s")


def _seconds(run: dict[str, Any]) -> float:
    assert run["state_type"] == "COMPLETED", run["state"]
    assert run["state"]["message"].startswith("nothing has changed since release"), run["state"]
    print(f"run {run['name']}: {run['total_run_time']:.2f} s, {run['state']['message']}")
    return float(run["total_run_time"])
