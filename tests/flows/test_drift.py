"""Drift: found where rows have changed, not found where they have not, and told so that a person understands it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from flows.steps.drift.comparing import compare
from flows.steps.drift.reference import fit_cells
from service.density import Spread
from service.drift.sketch import Floats, Sketch, whiten
from service.drift.windows import KeptSketch, Window, Windows
from service.release.channels import Channels
from service.release.home import Home
from tests.conftest import Manifold, environment
from tests.service.processes import serving, wait_for_status

RATE = 0.01


class Drawn:
    """Rows with skewed codes in three clumps, one of them often left out."""

    def __init__(self, seed: int, labelled: bool) -> None:
        self.generator = np.random.default_rng(seed)
        codes, labels = self.draw(4000)
        self.spread = Spread.of(codes)
        cells = fit_cells(codes, labels if labelled else None, self.spread, 0)
        assert cells.labelled == labelled
        self.groups, self.centres = cells.groups, whiten(cells.centres, self.spread)
        self.usual = self.sketch(self.draw(3000)[0])

    def draw(self, rows: int) -> tuple[Floats, np.ndarray]:
        labels = self.generator.integers(0, 3, rows)
        codes = self.generator.gamma(2.0, size=(rows, 6)) @ np.eye(6)
        codes[np.arange(rows), labels] += 6
        return codes.astype(np.float32), labels

    def sketch(self, codes: Floats) -> Sketch:
        p = self.generator.uniform(size=len(codes)).astype(np.float32)
        return Sketch.of(codes, self.spread, self.centres, p, p)

    def finds(self, codes: Floats) -> bool:
        tests = compare(self.usual, self.sketch(codes), self.groups)
        return any(test.p <= RATE / len(tests) for test in tests)


@pytest.mark.parametrize("labelled", [False, True])
def test_drift_is_found_where_there_is_some_and_as_seldom_as_stated_where_there_is_none(labelled: bool) -> None:
    drawn = Drawn(7, labelled)
    alarms = sum(drawn.finds(drawn.draw(300)[0]) for _ in range(400))
    # 4 are expected; 12 or more happen once in a thousand times.
    assert alarms < 12
    for _ in range(5):
        codes, labels = drawn.draw(400)
        assert drawn.finds(codes[labels != 1])
        assert drawn.finds(codes + np.float32(0.5))


def test_rotated_rows_are_found_and_shown_and_usual_ones_are_not(
    manifold_here: Manifold, trained_home: Path, photos: Path, prefect_api: str, tmp_path: Path
) -> None:
    home = Home(Path(shutil.copytree(trained_home, tmp_path / "home")))
    rows = np.stack([np.asarray(Image.open(path), np.float32) for path in sorted(photos.rglob("*.png"))])
    none = manifold_here("drift", home=home.root)
    assert none.returncode == 0, none.stderr
    assert "too few rows to look for drift, 200 expected: 0 codes of 0 rows" in none.stdout

    with serving(tmp_path, home, MANIFOLD_DRIFT_FLUSH_SECONDS="1") as server:
        wait_for_status(server, "/readyz", 200)

        def send(some: np.ndarray, seen: int) -> None:
            httpx.post(server.url + "/v1/score", json={"x": some.tolist()}, timeout=20).raise_for_status()
            deadline = time.monotonic() + 20
            while httpx.get(server.url + "/v1/drift").json()["seen"] < seen:
                assert time.monotonic() < deadline
                time.sleep(0.1)

        send(rows, len(rows))
        usual = manifold_here("drift", home=home.root)
        assert usual.returncode == 0, usual.stdout + usual.stderr
        assert f"no drift: {len(rows)} codes of {len(rows)} rows" in usual.stdout
        send(np.rot90(rows, axes=(1, 2)), 2 * len(rows))
    found = manifold_here("drift", "-o", "drift.md", home=home.root, cwd=tmp_path)
    assert found.returncode == 3, found.stdout + found.stderr
    assert "looks like dog" in found.stdout
    assert "drift: " in found.stdout
    assert "data:image/png" in (tmp_path / "drift.md").read_text("utf-8")
    with Image.open(tmp_path / "drift.png") as picture:
        assert min(picture.size) > 100

    # The same as a flow.
    program = f"from flows.drift import drift; print('found:', drift(home={str(home.root)!r}))"
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(home.root, prefect_api),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "found: True" in ran.stdout, ran.stdout + ran.stderr
    release = Channels(home).read().champion
    wanted = {"artifacts": {"key": {"any_": ["drift"]}}}
    artifacts = httpx.post(f"{prefect_api}/artifacts/filter", json=wanted, timeout=20).json()
    assert any(artifact["description"] == release and "# drift: " in artifact["data"] for artifact in artifacts)


def test_a_release_of_before_and_no_champion_are_said_in_one_line(
    manifold_here: Manifold, trained_home: Path, tmp_path: Path
) -> None:
    home = Home(Path(shutil.copytree(trained_home, tmp_path / "home")))
    (file,) = home.store.glob("*/latent/drift.json")
    file.unlink()
    before = manifold_here("drift", home=home.root)
    assert (before.returncode, before.stderr.count("\n")) == (1, 1)
    assert "of a version that keeps nothing to compare with" in before.stderr
    nothing = manifold_here("drift", home=tmp_path / "empty")
    assert nothing.returncode == 1
    assert "there is no champion" in nothing.stderr


def test_windows_are_read_by_time_damaged_ones_left_out_and_old_ones_removed(tmp_path: Path) -> None:
    home = Home(tmp_path)
    windows, now = Windows(home), datetime.now(UTC)
    sketch = KeptSketch.of(Sketch.empty(2, 3))
    paths = []
    for number, age in enumerate((timedelta(0), timedelta(hours=5), timedelta(days=40))):
        path = windows.path("r", now - age, f"{number:032x}")
        windows.write(path, Window(release="r", space="s", since=now - age, until=now - age, seen=1, sketch=sketch))
        paths.append(path)
    damaged = windows.path("r", now, "f" * 32)
    damaged.write_text('{"release": "r", "sketch"')
    assert len(windows.read("r", now - timedelta(hours=1))) == 1
    assert [window.until for window in windows.read("r", now - timedelta(days=60))] == [
        now - timedelta(days=40), now - timedelta(hours=5), now,
    ]  # fmt: skip
    windows.prune(now)
    assert [path.exists() for path in paths] == [True, True, False]
