"""What all tests share: parts that may be missing on a newcomer's machine, one Prefect server, the command line."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from jaxtyping import install_import_hook
from PIL import Image
from sklearn.datasets import load_digits

# Read by BentoML and Prefect when they are imported.
os.environ["BENTOML_DO_NOT_TRACK"] = "True"
os.environ["DO_NOT_TRACK"] = "1"
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
# Read by torch; see flows.local_server.
os.environ["OMP_WAIT_POLICY"] = "passive"
if "PYTEST_XDIST_WORKER" in os.environ:
    # The other cores are the other workers'.
    os.environ["OMP_NUM_THREADS"] = "1"

# Every array argument of these modules is checked against the shape in its type while tests run; before anything
# imports them.
_STEPS = ("evaluation", "figures", "latent", "onnx_export", "release_contents", "report", "row_files")
install_import_hook(["models", *(f"flows.steps.{name}" for name in _STEPS)], "beartype.beartype")

from flows.command_line import main
from flows.local_server import prefect_server
from service.client import ManifoldClient

_REQUIRE_ALL = os.environ.get("MANIFOLD_REQUIRE_ALL") == "1"
_MANIFOLD = str(Path(sys.executable).with_name("manifold"))
# Seconds; what takes longer hangs.
_PATIENCE = 240

# A stack small enough to train in a second.
SMALL: tuple[str, ...] = ("--set", "layers=[32,8]", "--set", "pretraining.epochs=2", "--set", "fine_tuning.epochs=2")
SMALL += ("--set", "pretraining.minimum_steps=0", "--set", "fine_tuning.minimum_steps=0")


def data_folder() -> Path:
    """Where datasets are looked for in tests, as the product does it."""
    return Path(os.environ.get("MANIFOLD_DATA") or "data").absolute()


def _missing_mnist() -> str | None:
    images = data_folder() / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
    if images.is_file():
        return None
    return f"the real MNIST is not at {images}: set MANIFOLD_DATA to a folder in torchvision's layout"


def _missing_program(name: str, package: str) -> str | None:
    return None if shutil.which(name) else f"{name} is not there: install your system's package {package}"


def postgresql_program(name: str) -> str:
    """The path of one of PostgreSQL's programs, the newest version's; Debian keeps them out of the PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(versions[-1]) if versions else (shutil.which(name) or name)


def _missing_postgresql() -> str | None:
    return None if shutil.which(postgresql_program("postgres")) else _missing_program("postgres", "postgresql")


_PARTS: dict[str, Callable[[], str | None]] = {
    "mnist": _missing_mnist,
    "curl": lambda: _missing_program("curl", "curl"),
    "postgresql": _missing_postgresql,
    "node": lambda: _missing_program("node", "nodejs, of Node.js 18 or newer"),
}


def _sees_a_gpu() -> bool:
    # Only here: torch reads the environment when it is imported, which is set above.
    import torch

    return torch.cuda.is_available()


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        (part,) = mark.args
        missing = _PARTS[part]()
        if missing and _REQUIRE_ALL:
            pytest.fail(missing, pytrace=False)
        if missing:
            pytest.skip(missing)
    if item.get_closest_marker("gpu") and not _sees_a_gpu():
        # No wish of the tests' can put one into a machine: not even MANIFOLD_REQUIRE_ALL=1.
        pytest.skip("torch finds no NVIDIA GPU on this machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files whose tests start flows come first: they take longest, and workers shall end together."""
    long = {item.path for item in items if "prefect_api" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture
def mnist_folder() -> Path:
    """The folder that holds the real MNIST; use together with `needs("mnist")`."""
    return data_folder()


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one real Prefect server for the whole session."""
    home = tmp_path_factory.mktemp("prefect")
    before = os.environ.get("PREFECT_HOME")
    os.environ["PREFECT_HOME"] = str(home / "prefect")
    with prefect_server(home) as address:
        # Only processes that the tests start use it: this one may import prefect for other reasons.
        os.environ.pop("PREFECT_API_URL", None)
        if before is None:
            os.environ.pop("PREFECT_HOME")
        else:
            os.environ["PREFECT_HOME"] = before
        yield address


class Manifold(Protocol):
    """manifold(*arguments, home=...) runs the command line to its end."""

    def __call__(
        self, *arguments: str, home: Path, cwd: Path | None = None, extra: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]: ...


def environment(home: Path, prefect: str | None = None, extra: dict[str, str] | None = None) -> dict[str, str]:
    """The environment of a user whose home and data folder are below `home`."""
    described = {name: value for name, value in os.environ.items() if not name.startswith(("MANIFOLD_", "PREFECT_"))}
    described |= {"MANIFOLD_HOME": str(home), "MANIFOLD_DATA": str(home / "data"), "COLUMNS": "200"}
    described["PATH"] = f"{Path(_MANIFOLD).parent}{os.pathsep}{described['PATH']}"
    if prefect is not None:
        described["PREFECT_API_URL"] = prefect
    return described | (extra or {})


@pytest.fixture(scope="session")
def manifold(prefect_api: str) -> Manifold:
    def run(
        *arguments: str, home: Path, cwd: Path | None = None, extra: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [_MANIFOLD, *arguments],
            cwd=cwd or home.parent,
            env=environment(home, prefect_api, extra),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )

    return run


@pytest.fixture
def manifold_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Manifold:
    """As `manifold`, in this process: for what ends before any flow starts."""

    def run(
        *arguments: str, home: Path, cwd: Path | None = None, extra: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        status: str | int | None = 0
        before = dict(os.environ)
        with monkeypatch.context() as change:
            theirs = environment(home, extra=extra)
            for name in os.environ.keys() - theirs.keys():
                change.delenv(name)
            for name, value in theirs.items():
                change.setenv(name, value)
            change.chdir(cwd or home.parent)
            change.setattr(sys, "argv", [_MANIFOLD, *arguments])
            capsys.readouterr()
            try:
                main()
            except SystemExit as end:
                status = end.code
        # The command sets some of its own, for what it starts.
        os.environ.clear()
        os.environ.update(before)
        shown = capsys.readouterr()
        return subprocess.CompletedProcess(sys.argv, int(status or 0), shown.out, shown.err)

    return run


@contextmanager
def started(
    *arguments: str, home: Path, prefect: str | None = None, extra: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A command of ours that goes on until the block ends; nothing of it is left then."""
    process = subprocess.Popen(
        [_MANIFOLD, *arguments],
        cwd=home.parent,
        env=environment(home, prefect, extra),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(home: Path) -> Iterator[str]:
    """The address of a real service of this home's champion, ready."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with started("serve", "--port", str(port), home=home), ManifoldClient(url) as client:
        client.wait_until_ready(60)
        yield url


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small real images whose sub-folders are labels."""
    folder = tmp_path_factory.mktemp("source") / "photos"
    digits = load_digits()
    for label, name in ((0, "cat"), (1, "dog")):
        (folder / name).mkdir(parents=True)
        for number, image in enumerate(digits.images[digits.target == label]):
            Image.fromarray((image * 15).astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def trained_home(manifold: Manifold, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one champion, trained on `photos`; tests that change it copy it."""
    home = tmp_path_factory.mktemp("trained") / "home"
    result = manifold("train", "--source", str(photos), *SMALL, home=home)
    assert result.returncode == 0, result.stdout + result.stderr
    return home
