"""All of MNIST's test images through a service whose champion changes under it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import MNIST

from service.release.channels import Channels
from service.release.home import Home
from service.release.store import ReleaseStore

from .conftest import Manifold, served

_RECIPE: tuple[str, ...] = ("--set", "layers=[64,16]", "--set", "pretraining.epochs=1")
_RECIPE += ("--set", "pretraining.minimum_steps=0", "--set", "fine_tuning.minimum_steps=0")

_CLIENT = """
    import sys
    import httpx, numpy as np, io
    url, images = sys.argv[1:]
    rows = np.load(images)
    releases, failed = [], 0
    with httpx.Client(base_url=url, timeout=30) as client:
        for start in range(0, len(rows), 10):
            body = io.BytesIO()
            np.save(body, rows[start : start + 10])
            answer = client.post(
                "/v1/embed",
                content=body.getvalue(),
                headers={"Content-Type": "application/x-npy", "Accept": "application/x-npy"},
            )
            failed += answer.status_code != 200 or np.load(io.BytesIO(answer.content)).shape != (10, 16)
            releases.append(answer.headers.get("X-Manifold-Release"))
            print(start, flush=True)
        samples = client.post("/v1/sample", json={"count": 64, "seed": 0})
        failed += samples.status_code != 200 or len(samples.json()["x"]) != 64
    print("failed", failed, "releases", *dict.fromkeys(releases), flush=True)
"""


@pytest.mark.needs("mnist")
def test_ten_thousand_images_are_embedded_through_a_promotion_without_a_failed_request(
    manifold: Manifold, mnist_folder: Path, tmp_path: Path
) -> None:
    home, extra = tmp_path / "home", {"MANIFOLD_DATA": str(mnist_folder)}
    versions = []
    # The second is the first one's layers, fine-tuned.
    for epochs in ("0", "1"):
        changed = ("--set", f"fine_tuning.epochs={epochs}")
        result = manifold("train", "--source", "mnist", *_RECIPE, *changed, home=home, extra=extra)
        assert result.returncode == 0, result.stderr
        versions.append(Channels(Home(home)).read().champion)
    first, second = versions
    assert second is not None
    manifest = ReleaseStore(Home(home)).manifest(second)
    assert (manifest.data.source, manifest.input.shape, manifest.input.maximum) == ("mnist", (28, 28), 255)
    assert (sum(manifest.data.rows.values()), manifest.data.rows["test"]) == (70_000, 10_000)
    Channels(Home(home)).rollback(who="test", why="to be promoted again under load")

    images = MNIST(root=str(mnist_folder), train=False).data.numpy().astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    with served(home) as url:
        client = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(_CLIENT), url, str(tmp_path / "images.npy")],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert client.stdout is not None
        for line in client.stdout:
            if line.strip() == "1000":
                break
        Channels(Home(home)).promote(second, who="test", why="under load", verdict="")
        last = client.communicate(timeout=120)[0].splitlines()[-1]
    assert last == f"failed 0 releases {first} {second}"
