"""`make bench-path`: the whole path, from a fresh clone to a served champion that changes under load.

`demo_*_s` clone HEAD, install into the clone's own .venv (not timed), and time `make demo` there. MNIST comes from
`MANIFOLD_DATA`; without it the rows that need it are left out, and the run says so.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import psutil

from benchmarks.harness import Row, Samples, publish
from service.client import ManifoldClient, Retries, ServiceError
from service.release.channels import Channels
from service.release.home import Home
from service.release.integrity import sha256_of
from service.release.store import ReleaseStore

ROOT = Path(__file__).parent.parent
_READY_ROUNDS = 5
_ROWS_PER_REQUEST = 50
# Two releases that differ, to promote one after the other.
_SMALL = ("--set", "layers=[64,16]", "--set", "pretraining.epochs=1", "--set", "fine_tuning.epochs=1")


def main() -> None:
    """Measure and publish every row of the table."""
    data = Path(os.environ.get("MANIFOLD_DATA") or "data").absolute()
    has_mnist = (data / "MNIST" / "raw" / "train-images-idx3-ubyte").is_file()
    with tempfile.TemporaryDirectory(prefix="manifold-bench-") as scratch:
        clone = Path(scratch) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        subprocess.run(["make", "install"], cwd=clone, check=True)
        rows = [_demo(clone, "digits", data, goal=60)]
        home = clone / ".manifold"
        if has_mnist:
            shutil.rmtree(home)
            rows.insert(0, _demo(clone, "mnist", data, goal=300))
            rows.append(_over_pca(home))
        else:
            print(f"no MNIST in {data}: demo_mnist_s, reconstruction_over_pca and embed_10k_failed are left out")
        rows += _service(clone, home)
        if has_mnist:
            rows.append(_promotion_under_load(clone, Path(scratch) / "moving", data))
    publish("path", rows)


def _environment(home: Path, data: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MANIFOLD_", "PREFECT_"))}
    return kept | {"MANIFOLD_HOME": str(home), "MANIFOLD_DATA": str(data), "BENTOML_DO_NOT_TRACK": "True"}


def _demo(clone: Path, source: str, data: Path, *, goal: float) -> Row:
    port = _free_port()
    started = time.perf_counter()
    subprocess.run(
        ["make", "demo", f"SOURCE={source}", f"PORT={port}"],
        cwd=clone,
        env=_environment(clone / ".manifold", data),
        check=True,
    )
    seconds = time.perf_counter() - started
    return Row(f"demo_{source}_s", seconds, "s", goal, "lower", seed=0)


def _over_pca(home: Path) -> Row:
    manifest = ReleaseStore(Home(home)).manifest(Channels(Home(home)).read().champion or "")
    values = {metric.name: metric.value for metric in manifest.metrics}
    ours, pca = values["squared_error"], values["squared_error_of_pca"]
    return Row(
        "reconstruction_over_pca",
        ours / pca,
        "ratio",
        0.6,
        "lower",
        peer=f"PCA with {manifest.code.size} components, same split and run",
        seed=manifest.seed,
        sides={"ours": Samples((ours,)).as_side(), "pca": Samples((pca,)).as_side()},
    )


def _service(clone: Path, home: Path) -> Iterator[Row]:
    ready: list[float] = []
    memory: list[float] = []
    for _ in range(_READY_ROUNDS):
        with _serving(clone, home) as (url, process, seconds):
            ready.append(seconds)
            with ManifoldClient(url) as client:
                client.sample(64)
            tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            memory.append(sum(member.memory_full_info().pss for member in tree) / 2**20)
            _refuse_heavy_libraries(tree)
    for name, samples, unit, goal in (
        ("service_ready_s", Samples(tuple(ready)), "s", 3.0),
        ("service_pss_mb", Samples(tuple(memory)), "MiB", 250.0),
    ):
        yield Row(name, samples.median, unit, goal, "lower", sides={"ours": samples.as_side()})


def _refuse_heavy_libraries(processes: list[psutil.Process]) -> None:
    mapped = {Path(region.path).name for process in processes for region in process.memory_maps()}
    assert not any(name.startswith("libtorch") for name in mapped), "the service has torch in memory"


def _promotion_under_load(clone: Path, home: Path, data: Path) -> Row:
    manifold = clone / ".venv" / "bin" / "manifold"
    environment = _environment(home, data)
    for seed in (0, 1):
        command = [str(manifold), "train", "--source", "mnist", *_SMALL, "--set", f"seed={seed}"]
        subprocess.run(command, env=environment, check=True)
    channels = Channels(Home(home))
    second = channels.read().champion or ""
    channels.rollback(who="benchmark", why="to be promoted under load")
    images = _test_images(home)
    failed = 0
    releases: set[str] = set()
    # What fails is counted, not sent again.
    once = Retries(attempts=1)
    with _serving(clone, home) as (url, _, _), ManifoldClient(url, retries=once) as client:
        promotion = threading.Timer(
            0.2, lambda: channels.promote(second, who="benchmark", why="under load", verdict="")
        )
        promotion.start()
        deadline = time.monotonic() + 60
        # Again and again over all 10,000 until both releases have answered.
        while len(releases) < 2 and time.monotonic() < deadline:
            for start in range(0, len(images), _ROWS_PER_REQUEST):
                try:
                    releases.add(client.embed(images[start : start + _ROWS_PER_REQUEST]).release)
                except ServiceError as error:
                    print(f"failed: {error}")
                    failed += 1
        promotion.join()
    assert len(releases) == 2, "the promotion was not seen by the client"
    return Row("embed_10k_failed", failed, "requests", 0, "lower", seed=0)


def _test_images(home: Path) -> np.ndarray:
    (dataset,) = (path for path in (home / "datasets").iterdir() if (path / "test.npy").exists())
    print(f"test images {sha256_of(dataset / 'test.npy')[:16]}")
    images: np.ndarray = np.load(dataset / "test.npy").astype(np.float32)
    return images


@contextmanager
def _serving(clone: Path, home: Path) -> Iterator[tuple[str, subprocess.Popen[bytes], float]]:
    """A `bentoml serve` of the clone: its address, its process, and the seconds to the first 200 on /readyz."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    started = time.perf_counter()
    process = subprocess.Popen(
        [clone / ".venv" / "bin" / "bentoml", "serve", "--port", str(port), "--host", "127.0.0.1"],
        cwd=clone,
        env=_environment(home, clone) | {"BENTOML_HOME": str(Home(home).bentoml)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                if httpx.get(f"{url}/readyz").status_code == 200:
                    break
            except httpx.ConnectError:
                pass
            assert process.poll() is None, "the service ended"
            time.sleep(0.02)
        yield url, process, time.perf_counter() - started
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
