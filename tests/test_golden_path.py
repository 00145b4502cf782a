"""The whole path, told once: from somebody's rows to vectors and samples that come over HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from service.client import ManifoldClient
from service.release.channels import Channels
from service.release.home import Home
from service.release.integrity import verify_release
from service.release.store import ReleaseStore
from service.runtime import Runtime

from .conftest import SMALL, Manifold, free_port, served, started

# In a process of its own: it warns of its own making when it ends.
_BENTOML_CLIENT = """
import json, sys, bentoml, numpy
with bentoml.SyncHTTPClient(sys.argv[1]) as client:
    print(json.dumps(numpy.asarray(client.embed(x=numpy.load(sys.argv[2]))["z"]).tolist()))
"""


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image, np.float32)


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_from_a_folder_of_images_to_embeddings_and_samples_over_http(
    manifold: Manifold, photos: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"

    # Somebody trains on a folder of images.
    trained = manifold("train", "--source", str(photos), *SMALL, home=home)
    assert trained.returncode == 0, trained.stderr
    assert "is the champion" in trained.stdout

    # There is one release, whole, and it is the champion; the journal says why.
    (version,) = ReleaseStore(Home(home)).versions()
    release = ReleaseStore(Home(home)).folder(version)
    manifest = verify_release(release)
    assert Channels(Home(home)).read().champion == version
    (move,) = Channels(Home(home)).journal()
    assert (move.action, move.why) == ("promote", "retrained; gate passed: there is no champion yet")
    assert manifest.input.shape == (8, 8)
    assert manifest.data.label_names == ("cat", "dog")
    assert {metric.name for metric in manifest.metrics} >= {"squared_error", "neighbour_accuracy"}
    assert size_of(release / "figures" / "reconstructions.png")[0] > 500

    # They serve it, and ask for the codes of their images: what comes over HTTP is what the release computes.
    images = [photos / "cat" / "0.png", photos / "dog" / "0.png"]
    rows = np.stack([pixels_of(path) for path in images])
    expected = Runtime.load(release, manifest, device="cpu").encode(rows)
    with served(home) as url:
        asked = manifold("embed", *map(str, images), "-o", str(tmp_path / "codes.npy"), "--url", url, home=home)
        assert asked.returncode == 0, asked.stderr
        assert manifest.space_id in asked.stdout
        np.testing.assert_allclose(np.load(tmp_path / "codes.npy"), expected, atol=1e-5)

        # BentoML's own client gets the same from the native endpoint.
        np.save(tmp_path / "rows.npy", rows)
        native = subprocess.run(
            [sys.executable, "-c", _BENTOML_CLIENT, url, str(tmp_path / "rows.npy")],
            capture_output=True,
            text=True,
            check=True,
        )
        np.testing.assert_allclose(json.loads(native.stdout), expected, atol=1e-5)

        # New samples come as a picture and as rows; the same seed gives the same.
        for name in ("one.npy", "two.npy", "new.png"):
            new = manifold(
                "generate", "--count", "9", "--seed", "3", "-o", str(tmp_path / name), "--url", url, home=home
            )
            assert new.returncode == 0, new.stderr
            assert ("medians:\n  round-trip error" in new.stdout) == name.endswith(".npy")
        samples = np.load(tmp_path / "one.npy")
        assert samples.shape == (9, 8, 8)
        assert np.array_equal(samples, np.load(tmp_path / "two.npy"))
        assert samples.min() >= 0
        assert samples.max() <= 255
        assert size_of(tmp_path / "new.png") == (24, 24)

        # They retrain with another seed; the running service moves to the new space by itself.
        again = manifold("train", "--source", str(photos), *SMALL, "--set", "seed=1", home=home)
        assert again.returncode == 0, again.stderr
        with ManifoldClient(url) as client:
            second = Channels(Home(home)).read().champion
            assert second != version
            for _ in range(40):
                if (answer := client.embed(rows)).release == second:
                    break
            assert answer.release == second
            assert answer.space != manifest.space_id


def test_the_demo_shows_embeddings_and_samples_that_came_over_http(tmp_path: Path, manifold: Manifold) -> None:
    home = tmp_path / "home"
    shown = manifold("demo", "--source", "digits", "--port", str(free_port()), home=home)
    assert shown.returncode == 0, shown.stderr
    assert "/v1/embed: 5 rows -> codes (5, 30)" in shown.stdout
    assert "/v1/sample: 64 new samples (64, 8, 8)" in shown.stdout
    assert "What to type next" in shown.stdout
    assert size_of(home / "demo" / "samples.png") == (64, 64)


def test_before_the_first_release_the_service_says_which_command_makes_one(tmp_path: Path) -> None:
    port = free_port()
    with started("serve", "--port", str(port), home=tmp_path / "home"), ManifoldClient(f"http://127.0.0.1:{port}"):
        answer = _until_it_answers(f"http://127.0.0.1:{port}/v1/models")
        ready = httpx.get(f"http://127.0.0.1:{port}/readyz")
        assert ready.status_code == 503
        refused = httpx.post(f"http://127.0.0.1:{port}/v1/embed", json={"x": [[0]]})
        assert refused.status_code == 503
        assert "manifold train" in json.loads(refused.text)["error"]["message"]
        assert answer.status_code == 200


def _until_it_answers(url: str) -> httpx.Response:
    for _ in range(200):
        try:
            return httpx.get(url)
        except httpx.ConnectError:
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")
