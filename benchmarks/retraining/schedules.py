"""A schedule of every 20 seconds whose worker is killed again and again: what overlapped, was lost, or got stuck.

An embedded server on SQLite, a worker and a tiny recipe on scikit-learn's digits, as `manifold schedule` starts them.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx

from benchmarks.harness import Row
from flows.local_server import end_process, free_port

_EVERY = 20
_SEED = 0
# After the last run that counts, for what is under way to end and for what died to be found.
_SETTLING = 100
_TINY: tuple[str, ...] = ("layers=[32,8]", "pretraining.epochs=2", "fine_tuning.epochs=2")
_TINY += ("pretraining.minimum_steps=0", "fine_tuning.minimum_steps=0")


def schedule_rows() -> Iterator[Row]:
    """`crashed_run_released_s`, `schedule_overlaps`, `schedule_lost`, `schedule_stuck`: 15 minutes, 5 kills."""
    return _rows(900, 5)


def quick_schedule_rows() -> Iterator[Row]:
    """The same in 2 minutes with one kill."""
    return _rows(120, 1)


def _rows(seconds: float, kills: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        kept = _Kept(Path(folder) / "home", free_port())
        process = kept.start()
        try:
            released, begun, ended = _disturb(kept, seconds, kills)
            time.sleep(_SETTLING)
            runs = [run for run in kept.runs() if begun <= _due(run) <= ended]
        finally:
            end_process(process, patience=40)
    yield Row("crashed_run_released_s", max(released), "s", 90, "lower", seed=_SEED)
    yield Row("schedule_overlaps", _overlaps(runs), "runs", 0, "lower", seed=_SEED)
    yield Row("schedule_lost", _lost(runs, begun, ended), "due times", 0, "lower", seed=_SEED)
    under_way = [run for run in runs if run["state_type"] in ("RUNNING", "PENDING", "CANCELLING")]
    yield Row("schedule_stuck", len(under_way), "runs", 0, "lower", seed=_SEED)


@dataclass(frozen=True)
class _Kept:
    home: Path
    port: int

    def start(self) -> subprocess.Popen[bytes]:
        command = [str(Path(sys.executable).with_name("manifold")), "schedule", "--every", str(_EVERY), "--no-gate"]
        command += ["--source", "digits", "--port", str(self.port), *(part for one in _TINY for part in ("--set", one))]
        self.home.mkdir(parents=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        environment |= {"MANIFOLD_HOME": str(self.home), "PREFECT_WORKER_QUERY_SECONDS": "2"}
        process = subprocess.Popen(command, env=environment, cwd=self.home, start_new_session=True)
        while not (self.home / "prefect" / "schedule-retrain.json").exists():
            assert process.poll() is None, "the schedule ended"
            time.sleep(0.5)
        return process

    def worker(self) -> int | None:
        state = json.loads((self.home / "prefect" / "schedule-retrain.json").read_bytes())
        return int(state["worker"]) if state["worker"] else None

    def runs(self) -> list[dict[str, Any]]:
        """Every run but those that are due later."""
        wanted = {"limit": 200, "flow_runs": {"state": {"type": {"not_any_": ["SCHEDULED"]}}}}
        answer = httpx.post(f"http://127.0.0.1:{self.port}/api/flow_runs/filter", json=wanted, timeout=30)
        found: list[dict[str, Any]] = answer.raise_for_status().json()
        return found


def _disturb(kept: _Kept, seconds: float, kills: int) -> tuple[list[float], float, float]:
    """Kill the worker while it has a run under way; how long each killed run kept its slot, and from when to when."""
    chance = random.Random(_SEED)
    begun = time.time() + _EVERY
    ended = begun + seconds
    released = []
    for number in range(kills):
        at = begun + (number + chance.uniform(0.3, 0.7)) * seconds / kills
        time.sleep(max(0.0, at - time.time()))
        while not (running := [run for run in kept.runs() if run["state_type"] == "RUNNING"]):
            time.sleep(0.1)
        worker = kept.worker()
        if worker is not None:
            os.kill(worker, signal.SIGKILL)
        killed = time.monotonic()
        ids = {run["id"] for run in running}
        while any(run["id"] in ids and run["state_type"] == "RUNNING" for run in kept.runs()):
            time.sleep(0.2)
        released.append(time.monotonic() - killed)
    time.sleep(max(0.0, ended - time.time()))
    return released, begun, ended


def _overlaps(runs: list[dict[str, Any]]) -> int:
    """Pairs of runs that trained at the same time."""
    trained = [run for run in runs if run["start_time"] and run["state_name"] != "Skipped"]
    times = sorted((_moment(run["start_time"]), _moment(run["end_time"] or run["start_time"])) for run in trained)
    return sum(later[0] < earlier[1] for earlier, later in pairwise(times))


def _lost(runs: list[dict[str, Any]], begun: float, ended: float) -> int:
    """Times at which a run was due and that no run that completed covers: its own, or one that began later."""
    due = {_due(run) for run in runs if "auto-scheduled" in run["tags"]}
    complete = [_moment(run["start_time"]) for run in runs if run["state_name"] == "Completed"]
    first = -(-begun // _EVERY) * _EVERY
    wanted = range(int(first), int(ended) - 2 * _EVERY, _EVERY)
    return sum(at not in due or not any(began >= at - 10 for began in complete) for at in wanted)


def _due(run: dict[str, Any]) -> float:
    return round(_moment(run["expected_start_time"]))


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
