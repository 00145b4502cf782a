"""Training on rows that do not fit in memory: 8 GiB on disk, in a process that may have 2 GiB of its own.

How memory is held: `RLIMIT_DATA` lets the process allocate 2 GiB, whatever it asks. Pages of the file are not its own
but the kernel's, which takes them back when it likes; so they are not counted, and they are thrown out of memory
before each round: every row comes from the disk.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from benchmarks.harness import Row, interleave, ratio
from benchmarks.training.subjects import THREADS, Images, mnist, named, recipe
from models.checkpoints import Checkpoint
from models.objectives import layer_objective
from models.placing import free_bytes
from models.pretraining import pretrain_layer
from models.stack import build_stack

_ROOT = Path(__file__).parents[2]
_FILE_BYTES = 2**33
_MEMORY_BYTES = 2**31
_IN_MEMORY_ROWS = 60_000
_ROUNDS = 3
# Some of the windows of 128 MiB in which rows are read ahead, beyond the first; and most of an epoch in memory.
_STEPS_ON_DISK = 1600
_STEPS_IN_MEMORY = 450


def out_of_core_rows(device: torch.device) -> Iterator[Row]:
    """`out_of_core_rate`: rows a second from disk over rows a second from memory, same network, batches of 128."""
    home = _ROOT / ".manifold"
    home.mkdir(exist_ok=True)
    # Not the system's folder for temporary files, which may lie in memory.
    with tempfile.TemporaryDirectory(prefix="bench-training-", dir=home) as scratch:
        path = Path(scratch) / "rows.npy"
        _write(path)
        found = subprocess.run(
            [sys.executable, "-m", "benchmarks.training.out_of_core", str(path), device.type],
            cwd=_ROOT,
            env=os.environ | {"PYTHONPATH": str(_ROOT)},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
    yield Row(**json.loads(found.splitlines()[-1]))


def _write(path: Path) -> None:
    rows = mnist(_IN_MEMORY_ROWS)
    count = -(-_FILE_BYTES // rows[0].nbytes)
    file = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(count, rows.shape[1]))
    for start in range(0, count, len(rows)):
        part = file[start : start + len(rows)]
        part[:] = rows[: len(part)]
    file.flush()


class _EnoughStepsError(Exception):
    """What has been learned is of no interest."""


class _Stopwatch:
    """Asked after every step; ends the training after so many, and knows its rate."""

    def __init__(self, steps: int) -> None:
        self.most = steps
        self.steps = 0
        self.started = self.now = time.perf_counter()

    def due(self) -> bool:
        self.now = time.perf_counter()
        if self.steps == 0:
            # The first step pays for what an epoch pays once.
            self.started = self.now
        self.steps += 1
        if self.steps > self.most:
            raise _EnoughStepsError
        return False

    def keep(self, checkpoint: Checkpoint) -> None:
        raise AssertionError(f"{checkpoint.progress} was not asked for")

    def last(self) -> None:
        return None

    @property
    def steps_a_second(self) -> float:
        return (self.steps - 1) / (self.now - self.started)


def _rate(rows: Callable[[], Images], steps: int, seeds: Iterator[int], device: torch.device) -> float:
    subject = recipe("ae", pretraining={"epochs": 1, "batch_size": 128})
    inputs = rows()
    (pair,) = build_stack(subject, inputs.shape[1:]).pairs
    watch = _Stopwatch(steps)
    try:
        pretrain_layer(
            pair,
            inputs,
            inputs[:1],
            objective=layer_objective(subject, 0),
            settings=subject.pretraining,
            seed=next(seeds),
            layer_index=0,
            device=device,
            checkpoints=watch,
        )
    except _EnoughStepsError:
        return watch.steps_a_second * subject.pretraining.batch_size
    raise AssertionError("the epoch was over before the steps")


def _cold(path: Path) -> Images:
    """The rows on disk, none of them in memory."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    rows: Images = np.load(path, mmap_mode="r")
    return rows


def _own_bytes() -> int:
    """Resident memory without pages of files."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no RssAnon in /proc/self/status")


def _filled(device: torch.device) -> torch.Tensor:
    """A GPU's memory but for 4 GiB, or the rows on disk would fit into it; nothing of a CPU's."""
    spare = 2**32
    return torch.empty(max(0, free_bytes(device) - spare), dtype=torch.uint8, device=device)


def _measure(path: Path, device: torch.device) -> Row:
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_BYTES, _MEMORY_BYTES))
    torch.set_num_threads(THREADS)
    in_memory = mnist(_IN_MEMORY_ROWS)
    seeds = iter(range(10**6))
    # Held until the end.
    filler = _filled(device)
    sides = {
        "8 GiB on disk": lambda: _rate(lambda: _cold(path), _STEPS_ON_DISK, seeds, device),
        "0.2 GB in memory": lambda: _rate(lambda: in_memory, _STEPS_IN_MEMORY, seeds, device),
    }
    samples = interleave(sides, rounds=_ROUNDS)
    del filler
    own = _own_bytes()
    assert own < _MEMORY_BYTES, f"{own} bytes resident"
    print(f"out of core: {own / 2**20:.0f} MiB of its own resident", file=sys.stderr)
    name = named("out_of_core_rate", device)
    return ratio(name, samples, "8 GiB on disk", "0.2 GB in memory", goal=0.8, better="higher", seed=0)


if __name__ == "__main__":
    print(json.dumps(asdict(_measure(Path(sys.argv[1]), torch.device(sys.argv[2])))))
