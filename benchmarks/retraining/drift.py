"""How often drift is found in MNIST windows of 500 rows: where there is none, and where there is.

A release is trained by `manifold train` on 40,000 of all 70,000 images, shuffled, and kept in `.manifold/bench-drift`.
Windows are drawn from the other 30,000: rows of the same kind that neither the release nor its statistics know. The
windows of one shuffle have no row in common. Windows go through the service's own sketch and the product's own check;
HTTP is left out, the tests of the service have it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage, stats

from benchmarks.harness import Row
from flows.steps.drift.finding import FALSE_ALARM_RATE, tests_of
from flows.steps.drift.reference import Unseen, fit_cells, keep_reference
from service.density import Spread
from service.drift.reference import Reference, read_reference
from service.drift.sketch import Sketch, whiten
from service.release.channels import Channels
from service.release.home import Home
from service.release.store import ReleaseStore
from service.runtime import Floats, Runtime
from service.scoring import judge_scores, measure_codes

ROOT = Path(__file__).parents[2]
_SEED = 0
_LEARNED_FROM = 40_000
_ROWS = 500
_UNDRIFTED = 200
_DRIFTED = 100
_DEGREES = 15.0
_NOISE = 0.1
_SMALL = ("--set", "layers=[256,30]", "--set", "pretraining.epochs=3", "--set", "fine_tuning.epochs=5")


def drift_rows() -> Iterator[Row]:
    """The rows of the table; about two minutes, of which the training, kept afterwards, is one.

    MNIST comes from `MANIFOLD_DATA`; without it there are no rows, and the run says so.
    """
    data = Path(os.environ.get("MANIFOLD_DATA") or "data").absolute()
    if not (data / "MNIST" / "raw" / "train-images-idx3-ubyte").is_file():
        print(f"no MNIST in {data}: the rows of drift are left out")
        return
    generator = np.random.default_rng(_SEED)
    x, y = _shuffled(data, generator)
    home = _trained(data, x[:_LEARNED_FROM], y[:_LEARNED_FROM])
    watched = _Watched.of(home)
    rows, labels = x[_LEARNED_FROM:].astype(np.float32), y[_LEARNED_FROM:]

    windows = _disjoint(len(rows), _UNDRIFTED, generator)
    alarms = watched.rates(rows, windows)
    # Where the rate is as stated, 99 % of the runs of so many windows have at most so many alarms.
    most = stats.binom.ppf(0.99, _UNDRIFTED, FALSE_ALARM_RATE) / _UNDRIFTED
    yield _row("drift_false_alarm_rate", alarms, most, "lower")

    few = generator.choice(len(rows), 10_000, replace=False)
    rotated = np.stack([ndimage.rotate(image, _DEGREES, reshape=False, order=1) for image in rows[few]])
    drawn = _disjoint(len(few), _DRIFTED, generator)
    yield _row("drift_power_rotated", watched.rates(rotated, drawn), 0.95, "higher")
    noisy = np.clip(rows[few] + generator.normal(0, 255 * _NOISE, rotated.shape), 0, 255).astype(np.float32)
    yield _row("drift_power_noisy", watched.rates(noisy, drawn), 0.95, "higher")
    lacking: list[dict[str, float]] = []
    for digit in range(10):
        others = rows[labels != digit]
        lacking.append(watched.rates(others, _disjoint(len(others), _DRIFTED // 2, generator)))
    together = {way: float(np.mean([rates[way] for rates in lacking])) for way in lacking[0]}
    by_digit = {f"without {digit}": {"rate": rates["every test"]} for digit, rates in enumerate(lacking)}
    found = _row("drift_power_missing_class", together, 0.95, "higher")
    yield replace(found, sides={**found.sides, **by_digit})


@dataclass(frozen=True)
class _Watched:
    """A release whose windows are checked, as it is, and as it would be without labels."""

    runtime: Runtime
    reference: Reference
    spread: Spread
    unlabelled: tuple[Reference, Spread]

    @classmethod
    def of(cls, home: Home) -> _Watched:
        release = Channels(home).read().champion
        assert release is not None
        folder, manifest = ReleaseStore(home).folder(release), ReleaseStore(home).manifest(release)
        reference = read_reference(folder)
        assert reference is not None
        runtime = Runtime.load(folder, manifest, device="cpu")
        assert runtime.spread is not None
        return cls(runtime, reference, runtime.spread, _without_labels(home, runtime, runtime.spread))

    def rates(self, rows: Floats, windows: list[npt.NDArray[np.int64]]) -> dict[str, float]:
        """The share of windows where drift is found: by every test; by those alone that /v1/embed allows."""
        measured = measure_codes(self.runtime, rows)
        scores = judge_scores(measured, self.runtime.manifest.calibration)
        codes = measured[:, 2:]
        ways = {
            "every test": (self.reference, self.spread, scores.reconstruction_p),
            "of codes alone": (self.reference, self.spread, None),
            "without labels": (*self.unlabelled, scores.reconstruction_p),
        }
        found: dict[str, list[bool]] = {way: [] for way in ways}
        for window in windows:
            for way, (reference, spread, error_p) in ways.items():
                p = np.empty(0, np.float32) if error_p is None else error_p[window]
                assert spread.cells is not None
                sketch = Sketch.of(codes[window], spread, spread.cells, scores.latent_p[window], p)
                tests = tests_of(reference, sketch)
                found[way].append(any(test.p <= FALSE_ALARM_RATE / len(tests) for test in tests))
        return {way: float(np.mean(flags)) for way, flags in found.items()}


def _without_labels(home: Home, runtime: Runtime, spread: Spread) -> tuple[Reference, Spread]:
    """What the release would keep had its rows had no labels."""
    (folder,) = (path.parent for path in (home.root / "datasets").glob("*/validation.npy"))
    train, validation = (np.load(folder / f"{split}.npy").astype(np.float32) for split in ("train", "validation"))
    cells = fit_cells(runtime.encode(train[:20_000]), None, spread, _SEED)
    measured = measure_codes(runtime, validation)
    unseen = Unseen(measured[:, 2:], measured[:, 0].astype(np.float64), runtime.manifest.calibration)
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "latent").mkdir()
        keep_reference(Path(scratch), spread, cells, unseen)
        reference = read_reference(Path(scratch))
    assert reference is not None
    return reference, Spread(spread.mean, spread.cholesky, whiten(cells.centres, spread))


def _row(name: str, rates: dict[str, float], goal: float, better: Literal["lower", "higher"]) -> Row:
    sides = {way: {"rate": rate} for way, rate in rates.items()}
    return Row(name, rates["every test"], "share of windows", goal, better, seed=_SEED, sides=sides)


def _disjoint(rows: int, windows: int, generator: np.random.Generator) -> list[npt.NDArray[np.int64]]:
    """Windows of rows, shuffled anew when all rows have been in one."""
    drawn: list[npt.NDArray[np.int64]] = []
    while len(drawn) < windows:
        order = generator.permutation(rows)
        drawn += [order[start : start + _ROWS] for start in range(0, rows - _ROWS + 1, _ROWS)]
    return drawn[:windows]


def _shuffled(data: Path, generator: np.random.Generator) -> tuple[Any, Any]:
    """All 70,000 images (n, 28, 28) uint8 and their labels (n,)."""
    raw = data / "MNIST" / "raw"
    x, y = (
        np.concatenate([np.fromfile(raw / f"{part}-{what}", np.uint8)[header:] for part in ("train", "t10k")])
        for what, header in (("images-idx3-ubyte", 16), ("labels-idx1-ubyte", 8))
    )
    order = generator.permutation(len(y))
    return x.reshape(-1, 28, 28)[order], y[order]


def _trained(data: Path, x: Any, y: Any) -> Home:
    home = Home((ROOT / ".manifold" / "bench-drift").absolute())
    if Channels(home).read().champion is None:
        home.root.mkdir(parents=True, exist_ok=True)
        np.savez(home.root / "rows.npz", x=x, y=y)
        environment = os.environ | {"MANIFOLD_HOME": str(home.root), "MANIFOLD_DATA": str(data)}
        command = [str(Path(sys.executable).with_name("manifold")), "train", "--source", str(home.root / "rows.npz")]
        subprocess.run([*command, *_SMALL], env=environment, check=True)
    return home
