"""Who is measured: our service and other people's, each with the command that starts it and what it is asked."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx

from benchmarks.serving.environments import interpreter, version_of
from benchmarks.serving.servers import Server, StartError, free_port, serving
from flows.serving import serving_command, serving_environment
from service.release.home import Home

ROOT = Path(__file__).parents[2]
OURS = "ours"
OURS_BY_TWO = "ours, 2 workers"
_PEERS = "benchmarks.serving.peers"
# New-style services take the number of workers from here only: `bentoml serve --api-workers` changes nothing for them.
_WORKERS = "BENTOML_CONFIG_OVERRIDES"
_ANSWERS_IN_A_ROW = 30


@dataclass(frozen=True)
class Peer:
    """Somebody else's server.

    Attributes:
        environment: what `environments.interpreter` is asked for; None: our own.
        package: whose version is stated.
        module: below `peers/`, or what `bentoml serve` is given.
        health: answers 200 when it is ready.
        path: where it is asked.
        speaks: {"x": rows}, the same with an answer that is codes alone, or the Open Inference Protocol.
        workers: its processes.
    """

    environment: str | None
    package: str
    module: str
    health: str
    path: str
    speaks: Literal["json", "bare json", "protocol"]
    workers: int = 1


_V2 = "/v2/models/encoder"
PEERS = {
    "FastAPI": Peer("fastapi", "fastapi", "fastapi_plain", "/openapi.json", "/embed", "json"),
    "FastAPI, 2 workers": Peer("fastapi", "fastapi", "fastapi_plain", "/openapi.json", "/embed", "json", workers=2),
    "FastAPI, batched": Peer("fastapi", "fastapi", "fastapi_batched", "/openapi.json", "/embed", "json"),
    "LitServe": Peer("fastapi", "litserve", "litserve_server", "/health", "/embed", "json"),
    "MLServer": Peer("mlserver", "mlserver", "mlserver_model", f"{_V2}/ready", f"{_V2}/infer", "protocol"),
    "Triton": Peer("triton", "nvidia-pytriton", "triton_server", f"{_V2}/ready", f"{_V2}/infer", "protocol"),
    "BentoML": Peer(None, "bentoml", "bentoml_service:Embedder", "/readyz", "/embed", "bare json"),
}


@contextlib.contextmanager
def peer_server(name: str, encoder: Path, folder: Path) -> Iterator[tuple[str, Server]]:
    """The version and the server of a peer.

    Raises:
        InstallError: it cannot be installed.
        StartError: it does not start.
    """
    peer = PEERS[name]
    python = Path(sys.executable) if peer.environment is None else interpreter(peer.environment)
    port = free_port()
    environment = {
        "PYTHONPATH": str(ROOT),
        "BENCH_ENCODER": str(encoder),
        "BENCH_PORT": str(port),
        "BENCH_WORKERS": str(peer.workers),
        "OMP_NUM_THREADS": "1",
        "OTEL_SDK_DISABLED": "true",
        "BENTOML_DO_NOT_TRACK": "True",
        "BENTOML_HOME": str(folder / "bentoml-of-a-peer"),
    }
    command: list[str | Path] = [python, "-m", f"{_PEERS}.{peer.module}"]
    if peer.environment is None:
        where = ["--host", "127.0.0.1", "--port", str(port)]
        command = [python, "-m", "bentoml", "serve", f"{_PEERS}.{peer.module}", *where]
    log = folder / f"{name.replace(' ', '-')}.log"
    with serving(command, environment, port=port, health=peer.health, log=log, folder=folder) as server:
        yield version_of(python, peer.package), server


@contextlib.contextmanager
def our_server(
    home: Home, folder: Path, *, workers: int = 1, settings: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Our service as `manifold serve` starts it.

    Args:
        home: whose champion it serves.
        folder: for its log and BentoML's files, which two services must not share.
        workers: its processes.
        settings: `MANIFOLD_*`, beside its defaults.

    Raises:
        StartError: it does not start, or with other workers than it should.
    """
    port = free_port()
    environment = {
        **serving_environment(home),
        "PYTHONPATH": str(ROOT),
        "BENTOML_HOME": str(folder / f"bentoml-{port}"),
        **(settings or {}),
    }
    if workers > 1:
        environment[_WORKERS] = json.dumps({"services": {"manifold": {"workers": workers}}})
    log = folder / f"ours-{port}.log"
    command = serving_command("127.0.0.1", port)
    with serving(command, environment, port=port, health="/readyz", log=log, folder=ROOT) as server:
        found = len(server.workers())
        if found != workers:
            raise StartError(f"{found} workers of ours run, not {workers}")
        if workers > 1:
            _wait_for_every_worker(server)
        yield server


def credentials(home: Home) -> dict[str, str]:
    """The headers that open our service: a new key, from which on it demands one."""
    command: Sequence[str] = [sys.executable, "-m", "flows.command_line", "keys", "new", "--name", "bench-serving"]
    told = subprocess.run(
        [*command, "--scope", "infer", "--scope", "metrics"],
        env=os.environ | {"MANIFOLD_HOME": str(home.root), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return {"Authorization": f"Bearer {told.stdout.strip()}"}


def _wait_for_every_worker(server: Server) -> None:
    """Which worker answers a new connection is chance: so many good answers in a row mean that each is ready."""
    good = 0
    while good < _ANSWERS_IN_A_ROW:
        good = good + 1 if httpx.get(f"{server.url}/readyz", timeout=5).status_code == 200 else 0
