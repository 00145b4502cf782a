"""Labels of rows, where the live release has a classifier: over real HTTP, by its clients, and in ONNX Runtime."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from flows.command_line import app as command_line
from service.app import create_app
from service.client import ManifoldClient, ServiceError
from service.metrics import Metrics
from service.operations import Worker
from service.release.errors import ManifestError
from service.release.home import Home
from service.release.integrity import verify_release
from service.release.manifest import Classifier
from service.runtime import ModelLoadError, Runtime
from service.settings import Settings
from tests.service.refusals import refused
from tests.service.tiny import LABELS

Publish = Callable[..., Any]
Promote = Callable[[Home, str], None]

X = np.random.default_rng(0).uniform(0, 255, (7, 4, 4)).astype(np.float32)
NPY = {"Content-Type": "application/x-npy"}


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def labels_of(p: Any) -> list[str]:
    return [LABELS[index] for index in p.argmax(1)]


@pytest.mark.parametrize("path", ["/v1/classify", "/classify"])
def test_rows_become_labels_and_their_probabilities(http: httpx.Client, tiny: Any, path: str) -> None:
    answer = http.post(path, json={"x": X.tolist(), "space": "space-of-first"})
    assert answer.status_code == 200, answer.text
    expected = tiny.classify(X)
    assert len({*labels_of(expected)}) > 1
    assert np.allclose(answer.json()["p"], expected, atol=1e-4)
    assert answer.json()["label"] == labels_of(expected)
    assert answer.json()["space"] == answer.headers["X-Manifold-Space"] == "space-of-first"
    assert answer.json()["release"] == answer.headers["X-Manifold-Release"] == "first"
    counted = http.get("/metrics").text
    assert f'manifold_requests_total{{route="{path}",status="200"}}' in counted
    assert 'manifold_rows_total{operation="classify"}' in counted


def test_probabilities_can_be_had_as_npy_of_npy_or_of_an_image(http: httpx.Client, tiny: Any) -> None:
    answer = http.post("/v1/classify", content=npy(X), headers={**NPY, "Accept": "application/x-npy"})
    p = np.load(io.BytesIO(answer.content), allow_pickle=False)
    assert p.dtype == np.float32
    assert np.allclose(p, tiny.classify(X), atol=1e-4)
    buffer = io.BytesIO()
    pixels = np.arange(0, 160, 10, dtype=np.uint8).reshape(4, 4)
    Image.fromarray(pixels).save(buffer, "PNG")
    answer = http.post("/v1/classify", content=buffer.getvalue(), headers={"Content-Type": "image/png"})
    assert answer.json()["label"] == labels_of(tiny.classify(pixels[None]))


@pytest.mark.parametrize("path", ["/v1/classify", "/classify"])
def test_options_that_say_nothing_here_are_refused(http: httpx.Client, path: str) -> None:
    answer = http.post(path, json={"x": X.tolist(), "depth": 1})
    refused(answer, 422, "invalid_value", "depth", "unknown field; known are: x, space")
    answer = http.post(path, json={"x": X.tolist(), "space": "elsewhere"})
    refused(answer, 409, "wrong_space", "space", "elsewhere")
    answer = http.post(path, json={"x": X.tolist()}, headers={"Accept": "image/png"})
    refused(answer, 415, "unsupported_type", "Accept")


def test_the_python_client_names_labels_and_classes(server: Any, tiny: Any) -> None:
    with ManifoldClient(server.url) as client:
        answer = client.classify(X)
        assert (answer.label_names, answer.space, answer.release) == (LABELS, "space-of-first", "first")
        assert np.allclose(answer.probabilities, tiny.classify(X), atol=1e-4)
        assert list(answer.labels) == labels_of(tiny.classify(X))
        with pytest.raises(ServiceError, match="elsewhere"):
            client.classify(X, space="elsewhere")


def test_the_command_prints_a_label_a_row_and_nothing_that_draws_in_a_terminal(
    server: Any, tiny: Any, tmp_path: Path
) -> None:
    # Each label is the likeliest of some row.
    candidates = np.random.default_rng(1).uniform(0, 255, (200, 4, 4)).astype(np.float32)
    found = tiny.classify(candidates).argmax(1)
    x = candidates[[int(np.flatnonzero(found == label)[0]) for label in range(len(LABELS))]]
    np.save(tmp_path / "x.npy", x)
    asked = ["classify", str(tmp_path / "x.npy"), "--url", server.url]
    shown = CliRunner().invoke(command_line, asked)
    assert shown.exit_code == 0, shown.output
    printed = [line.rsplit(" ", 1) for line in shown.output.splitlines()[: len(x)]]
    assert [label for label, _ in printed] == ["cat", "dog", "[red]ko?ala"]
    assert np.allclose([float(p) for _, p in printed], tiny.classify(x).max(1), atol=1e-3)
    written = CliRunner().invoke(command_line, [*asked, "-o", str(tmp_path / "p.npy")])
    assert "cat, dog, [red]ko?ala" in written.output
    assert np.allclose(np.load(tmp_path / "p.npy"), tiny.classify(x), atol=1e-4)


def test_a_release_without_a_classifier_is_a_404_that_says_what_makes_one(
    home: Home, publish: Publish, make_champion: Promote
) -> None:
    """The release that is live when a request comes decides; one with a classifier may follow, and be followed."""
    tiny = publish(home, "with", classifier=True)
    publish(home, "without", seed=1)

    async def story() -> list[httpx.Response]:
        worker = Worker.create(Settings(home=home.root), Metrics())
        app = create_app()
        app.state.worker = worker
        answers = []
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service") as client:
            for version in ("without", "with", "without"):
                make_champion(home, version)
                worker.champion.look()
                answers.append(await client.post("/v1/classify", json={"x": X.tolist()}))
        worker.batcher.close()
        return answers

    before, during, after = asyncio.run(story())
    assert during.json()["label"] == labels_of(tiny.classify(X))
    for answer in (before, after):
        words = ("release without has no classifier", "manifold train", "supervised_fine_tuning.epochs", "labels")
        refused(answer, 404, "not_found", None, *words)


def test_a_runtime_classifies_large_batches_as_the_network_does(home: Home, publish: Publish) -> None:
    tiny = publish(home, "one", classifier=True)
    runtime = Runtime.load(home.store / "one", verify_release(home.store / "one"), device="cpu")
    runtime.reproduce_golden()
    many = np.concatenate([X] * 300)
    assert np.allclose(runtime.classify(many), tiny.classify(many), atol=1e-4)


def test_a_runtime_without_a_classifier_says_so(home: Home, publish: Publish) -> None:
    publish(home, "one")
    with pytest.raises(ValueError, match="release one has no classifier"):
        Runtime.load(home.store / "one", verify_release(home.store / "one"), device="cpu").classify(X)


@pytest.mark.parametrize("harm", ["missing", "altered", "unlisted", "golden"])
def test_a_release_whose_classifier_is_not_as_published_is_never_live(
    home: Home, publish: Publish, make_champion: Promote, champion_of: Callable[[Home], Any], harm: str
) -> None:
    publish(home, "good", classifier=True)
    make_champion(home, "good")
    champion = champion_of(home)
    champion.look()
    publish(home, "bad", classifier=True, p_off_by=0.01 if harm == "golden" else 0.0)
    graph = home.store / "bad" / "classifier.onnx"
    if harm == "missing":
        graph.unlink()
    elif harm == "altered":
        content = bytearray(graph.read_bytes())
        content[-20] ^= 1
        graph.write_bytes(content)
    elif harm == "unlisted":
        # A classifier brought into a release that was published without one.
        publish(home, "plain")
        graph.rename(home.store / "plain" / "classifier.onnx")
    named = "plain" if harm == "unlisted" else "bad"
    make_champion(home, named)
    champion.look()
    said = {
        "missing": "classifier.onnx is missing",
        "altered": "classifier.onnx has sha256",
        "unlisted": "classifier.onnx is not listed",
        "golden": "golden probability differs by 0.01",
    }
    assert champion.live().release == "good"
    assert said[harm] in champion.failure.message


def test_a_manifest_that_claims_another_classifier_than_there_is_is_refused(home: Home, publish: Publish) -> None:
    """Digests and all may agree: whoever made the release lied in its manifest."""
    publish(home, "two")
    publish(home, "three", classifier=True)
    without, folder = home.store / "two", home.store / "three"
    manifest = verify_release(folder)
    claimed = verify_release(without).model_copy(update={"classifier": manifest.classifier})
    with pytest.raises(ModelLoadError, match=r"classifier\.onnx"):
        Runtime.load(without, claimed, device="cpu")
    four = Classifier(classes=4, label_names=("a", "b", "c", "d"), metric="classification_error", tolerance=1e-4)
    claimed = manifest.model_copy(update={"classifier": four})
    with pytest.raises(ModelLoadError, match=r"output p has shape \['batch', 3\], float32 \['batch', 4\]"):
        Runtime.load(folder, claimed, device="cpu")
    (folder / "golden" / "p.npy").unlink()
    with pytest.raises(ModelLoadError, match=r"p\.npy cannot be read"):
        Runtime.load(folder, manifest, device="cpu").reproduce_golden()


def test_a_manifest_with_fewer_names_than_classes_is_refused(home: Home, publish: Publish) -> None:
    publish(home, "one", classifier=True)
    folder = home.store / "one"
    content = (folder / "manifest.json").read_bytes().replace(b'"classes": 3', b'"classes": 4')
    (folder / "manifest.json").write_bytes(content)
    (folder / "manifest.sha256").write_text(hashlib.sha256(content).hexdigest())
    with pytest.raises(ManifestError, match="3 label names came, 4 expected"):
        verify_release(folder)
