"""Who is measured: our service and other people's, each with the command that starts it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.environments import InstallError, interpreter, version_of
from benchmarks.serving.servers import Server, StartError, free_port, serving

ROOT = Path(__file__).parents[2]
_PEERS = "benchmarks.serving.peers"


@dataclass(frozen=True)
class Peer:
    """Somebody else's server.

    Attributes:
        environment: what `environments.interpreter` is asked for; None: our own.
        package: whose version is stated.
        module: below `peers/`, or what `bentoml serve` is given.
        health: answers 200 when it is ready.
    """

    environment: str | None
    package: str
    module: str
    health: str
    workers: int = 1


PEERS = {
    "FastAPI": Peer("fastapi", "fastapi", "fastapi_plain", "/openapi.json"),
    "FastAPI, 2 workers": Peer("fastapi", "fastapi", "fastapi_plain", "/openapi.json", workers=2),
    "FastAPI, batched": Peer("fastapi", "fastapi", "fastapi_batched", "/openapi.json"),
    "LitServe": Peer("fastapi", "litserve", "litserve_server", "/health"),
    "MLServer": Peer("mlserver", "mlserver", "mlserver_model", "/v2/models/encoder/ready"),
    "Triton": Peer("triton", "nvidia-pytriton", "triton_server", "/v2/models/encoder/ready"),
    "BentoML": Peer(None, "bentoml", "bentoml_service:Embedder", "/readyz"),
}


def start_peers(encoder: Path, folder: Path, stack: contextlib.ExitStack) -> Iterator[tuple[str, str, Server]]:
    """Name, version and server of each peer that can be installed and started; why not is printed."""
    for name, peer in PEERS.items():
        try:
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
            server = stack.enter_context(
                serving(command, environment, port=port, health=peer.health, log=log, folder=folder)
            )
            yield name, version_of(python, peer.package), server
        except (InstallError, StartError) as error:
            print(f"{name}: left out: {error}", file=sys.stderr, flush=True)


def our_service(home: Path, folder: Path, name: str, settings: Mapping[str, str] | None = None, workers: int = 1):  # type: ignore[no-untyped-def]
    port = free_port()
    where = ["--host", "127.0.0.1", "--port", str(port), "--working-dir", str(ROOT)]
    command = [sys.executable, "-m", "bentoml", "serve", "service.service:Manifold", *where]
    if workers > 1:
        command += ["--api-workers", str(workers)]
    environment = {
        "PYTHONPATH": str(ROOT),
        "MANIFOLD_HOME": str(home),
        "BENTOML_HOME": str(folder / f"bentoml-{name}"),
        "BENTOML_DO_NOT_TRACK": "True",
        **(settings or {}),
    }
    return serving(command, environment, port=port, health="/readyz", log=folder / f"{name}.log", folder=ROOT)
