"""The README's code blocks do what it says: each is run as a newcomer would, in the order they stand in."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from markdown_it import MarkdownIt

from service.client import ManifoldClient
from service.release.channels import Channels
from service.release.home import Home

from .conftest import Manifold, environment, free_port, started

ROOT = Path(__file__).parent.parent
_PATIENCE = 200


def blocks() -> list[tuple[str, str]]:
    """(info string, code) of each fenced block."""
    parsed = MarkdownIt().parse((ROOT / "README.md").read_text())
    return [(token.info, token.content) for token in parsed if token.type == "fence"]


def blocks_of(kind: str) -> list[str]:
    return [code for info, code in blocks() if info == kind]


@pytest.fixture(scope="module")
def newcomer(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a newcomer's photos in it."""
    folder = tmp_path_factory.mktemp("newcomer")
    shutil.copytree(photos, folder / "photos")
    return folder


def run(command: list[str], folder: Path, prefect: str, url: str | None = None) -> subprocess.CompletedProcess[str]:
    extra = {"PYTHONPATH": str(ROOT)} | ({"MANIFOLD_URL": url} if url else {})
    result = subprocess.run(
        command,
        cwd=folder,
        env=environment(folder / ".manifold", prefect, extra),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result


def test_every_block_says_how_it_is_run() -> None:
    known = {"bash", "bash serve", "python serve", "bash schedule", "bash rollback", "bash make"}
    assert {info for info, _ in blocks()} == known


def test_the_make_targets_of_the_readme_exist() -> None:
    for code in blocks_of("bash make"):
        for target in re.findall(r"make ([a-z-]+)", code):
            shown = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
            assert shown.returncode == 0, shown.stderr


def test_the_blocks_run_in_their_order(newcomer: Path, prefect_api: str, manifold: Manifold) -> None:
    for code in blocks_of("bash"):
        run(["bash", "-euc", code], newcomer, prefect_api)
    home = newcomer / ".manifold"
    first = Channels(Home(home)).read().champion
    assert first is not None

    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with started("serve", "--port", str(port), home=home), ManifoldClient(url) as client:
        client.wait_until_ready(60)
        for info, code in blocks():
            here = code.replace("http://127.0.0.1:3000", url)
            if info == "bash serve":
                run(["bash", "-euc", here], newcomer, prefect_api, url)
            elif info == "python serve":
                run([sys.executable, "-c", here], newcomer, prefect_api, url)
        assert (newcomer / "samples.png").stat().st_size > 100

    # A second release, to go back from: the same layers without fine-tuning.
    (train,) = (line for code in blocks_of("bash") for line in code.splitlines() if "manifold train" in line)
    run(["bash", "-euc", f"{train} --set fine_tuning.epochs=0"], newcomer, prefect_api)
    assert Channels(Home(home)).read().champion != first
    for code in blocks_of("bash rollback"):
        run(["bash", "-euc", code], newcomer, prefect_api)
    assert Channels(Home(home)).read().champion == first


def test_the_schedule_of_the_readme_is_one_that_prefect_keeps(newcomer: Path, prefect_api: str) -> None:
    (code,) = blocks_of("bash schedule")
    process = subprocess.Popen(
        ["bash", "-euc", f"exec {code.strip()}"],
        cwd=newcomer,
        env=environment(newcomer / ".manifold", prefect_api),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for _ in range(300):
            answer = httpx.get(f"{prefect_api}/deployments/name/retrain/retrain")
            if answer.status_code == 200:
                break
            assert process.poll() is None, "the schedule ended by itself"
            time.sleep(0.2)
        assert [schedule["schedule"]["cron"] for schedule in answer.json()["schedules"]] == ["0 3 * * *"]
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
