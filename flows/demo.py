"""The whole path, shown: real data to answers over HTTP."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
from rich.markup import escape

from flows.ask_commands import client_of
from flows.figure_lines import metric_line
from flows.serving import serving_command, serving_environment
from flows.steps.errors import FlowError
from flows.terminal import console
from service.release.atomic import write_atomically
from service.release.channels import Channels
from service.release.home import Home
from service.release.store import ReleaseStore

_SHOWN = 5
_SHOWN_METRICS = (
    "squared_error",
    "squared_error_of_pca",
    "neighbour_accuracy",
    "neighbour_accuracy_of_inputs",
    "linear_probe_accuracy",
    "linear_probe_accuracy_of_inputs",
    "trustworthiness",
    "continuity",
    "sample_coverage",
)


class PortError(FlowError):
    """Somebody listens on the port already."""


def run_demo(home: Home, source: str, *, keep_serving: bool, port: int) -> None:
    """Train the default recipe on `source`, serve the champion, and show what came over HTTP.

    Raises:
        PortError: somebody listens on the port already.
        ReleaseError, ServiceError: the release or the service is not as it should be.
    """
    _refuse_a_taken_port(port)
    trained = subprocess.run([sys.executable, "-m", "flows.command_line", "train", "--source", source], check=False)
    if trained.returncode != 0:
        # It has said why.
        sys.exit(trained.returncode)
    store, version = ReleaseStore(home), Channels(home).read().champion or ""
    for metric in store.manifest(version).metrics:
        if metric.name in _SHOWN_METRICS:
            console.print(f"  {metric.name}: {escape(metric_line(metric))}", soft_wrap=True)
    console.print("  all others, and how each was found: manifold releases show champion", soft_wrap=True)
    log = home.root / "service.log"
    with log.open("wb") as output:
        service = subprocess.Popen(
            serving_command("127.0.0.1", port),
            env=serving_environment(home),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _ask(f"http://127.0.0.1:{port}", store.folder(version), home.root / "demo")
        _say_what_next(port, home, keep_serving=keep_serving)
        if keep_serving:
            service.wait()
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(30)


def _refuse_a_taken_port(port: int) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise PortError(f"port: {port} came, which somebody listens on already; choose another with --port")


def _ask(url: str, folder: Path, output: Path) -> None:
    client = client_of(url)
    client.wait_until_ready(60)
    rows = np.load(folder / "reference" / "rows.npy")[:_SHOWN].astype(np.float32)
    answer = client.embed(rows)
    console.print(f"\nPOST {url}/v1/embed: {_SHOWN} rows -> codes {answer.codes.shape} in space {answer.space}")
    for code in answer.codes:
        console.print("  " + " ".join(f"{value:6.2f}" for value in code[:8]) + " ...", soft_wrap=True)
    samples = client.sample(64, seed=0)
    console.print(f"POST {url}/v1/sample: 64 new samples {samples.rows.shape} decoded from {samples.codes.shape}")
    if samples.rows.ndim > 2:
        write_atomically(output / "samples.png", client.sample_png(64, seed=0))
        console.print(f"  as a picture: {output / 'samples.png'}")
    figure = folder / "figures" / "reconstructions.png"
    console.print(f"originals, reconstructions and samples in one picture: {figure}")


def _say_what_next(port: int, home: Home, *, keep_serving: bool) -> None:
    console.print("\n[bold]What to type next[/bold]")
    if keep_serving:
        console.print(f"  the service is up at http://127.0.0.1:{port} until you press Ctrl-C; in another terminal:")
    else:
        console.print("  make demo SERVE=1                                   leaves the service up")
        console.print("  .venv/bin/manifold serve                            serves the champion")
    console.print("  .venv/bin/manifold generate --count 64 -o new.png   new samples from the service")
    console.print("  .venv/bin/manifold train --source YOUR_FOLDER       learns from your own images or tables")
    console.print("  .venv/bin/manifold releases list                    what has been published")
    if not keep_serving:
        console.print(f"  (releases lie in {home.root})")
