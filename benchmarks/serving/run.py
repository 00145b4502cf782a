"""A run: our service and its peers started, checked, and loaded one at a time while all of them live."""

from __future__ import annotations

import contextlib
import functools
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.asked import Limits, subject_of
from benchmarks.serving.environments import InstallError
from benchmarks.serving.load import Load, load
from benchmarks.serving.servers import Server, StartError
from benchmarks.serving.sides import OURS, OURS_BY_TWO, PEERS, ROOT, our_server, peer_server
from benchmarks.serving.subjects import WrongAnswerError
from benchmarks.serving.trials import CONNECTIONS, LIMIT, Rounds, Trial, measure_trials
from service.release.home import Home
from service.release.store import ReleaseStore

HOME = ROOT / ".manifold" / "serving" / "home"


@dataclass(frozen=True)
class Measured:
    """What a run gave.

    Attributes:
        trials: the rounds of each.
        names: of each peer that was measured, with its version.
        left_out: of each peer that was not, why.
    """

    trials: Mapping[Trial, Rounds]
    names: Mapping[str, str]
    left_out: Mapping[str, str]


def released() -> tuple[str, str]:
    """The two releases; made by a process of its own, so that this one has no torch whose pages others could share."""
    command = [sys.executable, "-m", "benchmarks.serving.release", str(HOME)]
    told = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    first, second = json.loads(told.stdout.splitlines()[-1])
    return first, second


def run_trials(
    wanted: Sequence[Trial], release: str, folder: Path, headers: Mapping[str, str], *, rounds: int, seconds: int
) -> Measured:
    """Start every side that is wanted, see that its answers are right, and measure all in turns.

    Args:
        wanted: trials; those of a side that cannot be had are left out, and it is said why.
        release: the champion of the home.
        folder: for logs and requests.
        headers: those that open our service.
        rounds: how often each is measured.
        seconds: how long each time.
    """
    limits = Limits(ReleaseStore(Home(HOME)).folder(release))
    encoder = ReleaseStore(Home(HOME)).folder(release) / "encoder.onnx"
    left_out: dict[str, str] = {}
    names: dict[str, str] = {}
    measures: dict[Trial, Callable[[], Load]] = {}
    with contextlib.ExitStack() as stack:
        for side in dict.fromkeys(trial.side for trial in wanted):
            trials = [trial for trial in wanted if trial.side == side]
            if side == LIMIT:
                measures |= {t: functools.partial(limits.of(t.kind).measured, 1.0) for t in trials}
                continue
            try:
                if side in PEERS:
                    version, server = stack.enter_context(peer_server(side, encoder, folder))
                    names[side] = f"{side.partition(',')[0]} {version}{side.removeprefix(side.partition(',')[0])}"
                else:
                    workers = 2 if side == OURS_BY_TWO else 1
                    server = stack.enter_context(our_server(Home(HOME), folder, workers=workers))
                print(f"{names.get(side, side)} is ready after {server.ready_seconds:.1f} s", flush=True)
                measures |= {t: _measure(t, server, limits, headers, folder, seconds) for t in trials}
            except (InstallError, StartError, WrongAnswerError) as error:
                if side == OURS:
                    raise
                left_out[side] = str(error)
                print(f"{side} is left out: {error}", flush=True)
        return Measured(measure_trials(measures, rounds), names, left_out)


def _measure(
    trial: Trial, server: Server, limits: Limits, headers: Mapping[str, str], folder: Path, seconds: int
) -> Callable[[], Load]:
    """A round of a trial, after its answer was seen to be right."""
    subject = subject_of(trial, limits, headers)
    subject.checked(server.url, limits.of(trial.kind).answer)
    body = subject.stored(folder, f"{trial.side}-{trial.kind}")
    connections = CONNECTIONS[trial.kind]
    return lambda: load(server.url + subject.path, body, subject.headers, seconds=seconds, connections=connections)
