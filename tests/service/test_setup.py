"""How ONNX Runtime is set up: chosen by measuring for a moment, told to whoever asks, and memory given back."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from service.calibration import BATCH_ROWS, Setup, calibrate, considered, cores_of_a_worker
from service.champion import Champion
from service.memory import IdleMemory, resident_bytes
from service.metrics import Metrics
from service.release.home import Home
from service.sessions import open_session, run_bound
from service.settings import Settings
from tests.service.tiny import Tiny, promote, publish_tiny


@pytest.fixture
def encoder(home: Home) -> Path:
    publish_tiny(home, "one")
    promote(home, "one")
    return home.store / "one" / "encoder.onnx"


def test_the_service_says_what_was_chosen_and_how_fast_it_was(http: httpx.Client) -> None:
    about = http.get("/v1/models").json()
    setup = about["onnxruntime"]
    assert about["variant"] == "float32"
    assert setup["batch_rows"] in BATCH_ROWS
    assert 1 <= setup["threads"] <= cores_of_a_worker(1)
    chosen = {"threads": setup["threads"], "spinning": setup["spinning"], "rows": setup["batch_rows"]}
    assert any(chosen.items() <= trial.items() and trial["rows_per_second"] > 0 for trial in setup["trials"])


def test_workers_share_the_cores_and_threads_that_spin_leave_one_free() -> None:
    assert cores_of_a_worker(10**6) == 1
    assert considered(1) == [(1, False)]
    assert considered(2) == [(1, False), (2, False)]
    assert considered(6) == [(1, False), (2, False), (4, False), (6, False), (2, True), (4, True)]


def test_every_way_that_is_considered_is_tried_within_the_time(encoder: Path) -> None:
    started = time.perf_counter()
    setup = calibrate(encoder, (4, 4), "cpu", cores=3, threads=None, seconds=0.1)
    assert time.perf_counter() - started < 1
    assert {(trial.threads, trial.spinning) for trial in setup.trials} == set(considered(3))
    assert {trial.rows for trial in setup.trials} == set(BATCH_ROWS)


def test_the_users_number_of_threads_is_the_only_one_considered(encoder: Path) -> None:
    setup = calibrate(encoder, (4, 4), "cpu", cores=2, threads=5, seconds=0.02)
    assert setup.threads == 5
    assert {trial.threads for trial in setup.trials} == {5}
    assert calibrate(encoder, (4, 4), "cpu", cores=8, threads=None, seconds=0) == Setup(threads=1)


def test_a_release_of_the_same_size_is_run_as_the_one_before(home: Home, encoder: Path) -> None:
    champion = Champion(Settings(home=home.root, calibration_seconds=0.02), Metrics(), workers=2)
    champion.look()
    first = champion.live().runtime.setup
    assert first.trials
    for version, shape in (("two", (4, 4)), ("three", (4, 5))):
        publish_tiny(home, version, shape=shape, seed=1)
        promote(home, version)
        champion.look()
        assert champion.live().release == version
        assert (champion.live().runtime.setup is first) == (version == "two")


def test_memory_that_was_freed_goes_back_once_it_is_quiet() -> None:
    memory = IdleMemory()
    # Small pieces, which the C library keeps when they are freed, below one that is not.
    pieces: Any = [bytes(50_000) for _ in range(2_000)]
    kept = bytes(50_000)
    assert not memory.look()
    del pieces
    before = resident_bytes()
    memory.look()
    assert memory.look() or resident_bytes() < before - 2**24
    assert resident_bytes() < before - 2**24
    assert len(kept) == 50_000


def test_a_bound_run_answers_what_a_plain_one_does(encoder: Path, tiny: Tiny) -> None:
    x = np.random.default_rng(0).uniform(0, 255, (3, 4, 4)).astype(np.float32)
    inner, codes = run_bound(open_session(encoder, "cpu", 1), ["code_1", "z"], {"x": x})
    assert np.allclose(inner, tiny.inner_code(x), atol=1e-4)
    assert np.allclose(codes, tiny.encode(x), atol=1e-4)
