"""What the service answers over real HTTP: a `bentoml serve` process, a tiny real release, plain clients."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.service.tiny import LABELS, measured

NPY = {"Content-Type": "application/x-npy"}


def rows(count: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(0, 255, (count, 4, 4)).astype(np.float32)


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


@pytest.mark.parametrize("path", ["/v1/embed", "/embed"])
def test_rows_become_codes_that_say_their_space_and_release(http: httpx.Client, tiny: Any, path: str) -> None:
    answer = http.post(path, json={"x": rows(3).tolist()})
    assert answer.status_code == 200, answer.text
    assert answer.json()["space"] == answer.headers["X-Manifold-Space"] == "space-of-first"
    assert answer.json()["release"] == answer.headers["X-Manifold-Release"] == "first"
    assert np.allclose(answer.json()["z"], tiny.encode(rows(3)), atol=1e-4)


@pytest.mark.parametrize("path", ["/v1/generate", "/generate"])
def test_codes_become_rows_in_data_units(http: httpx.Client, tiny: Any, path: str) -> None:
    z = [[0.5, -1.0], [2.0, 0.0]]
    answer = http.post(path, json={"z": z, "space": "space-of-first"})
    assert answer.status_code == 200, answer.text
    assert np.allclose(answer.json()["x"], tiny.decode(z), atol=1e-3)


@pytest.mark.parametrize("path", ["/v1/reconstruct", "/reconstruct"])
def test_rows_are_reconstructed_through_the_code(http: httpx.Client, tiny: Any, path: str) -> None:
    answer = http.post(path, json={"x": rows(2).tolist()})
    assert np.allclose(answer.json()["x"], tiny.decode(tiny.encode(rows(2))), atol=1e-2)


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2", "u1", "<i8", ">u2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_of_any_number_type_and_order_is_read(http: httpx.Client, tiny: Any, dtype: str, order: Any) -> None:
    x = np.asarray(rows(3).round(), dtype=dtype, order=order)
    answer = http.post("/v1/embed", content=npy(x), headers={**NPY, "Accept": "application/x-npy"})
    z = np.load(io.BytesIO(answer.content), allow_pickle=False)
    assert (z.dtype, z.shape) == (np.float32, (3, 2))
    assert np.allclose(z, tiny.encode(x.astype(np.float32)), atol=1e-3)
    assert answer.headers["X-Manifold-Space"] == "space-of-first"


def test_depth_gives_an_inner_code_in_a_space_of_its_own(http: httpx.Client, tiny: Any) -> None:
    inner = http.post("/v1/embed", json={"x": rows(2).tolist(), "depth": 1}).json()
    assert np.allclose(inner["z"], tiny.inner_code(rows(2)), atol=1e-4)
    assert inner["space"] == "space-of-first/depth-1"
    same = http.post("/v1/embed?depth=1&space=space-of-first/depth-1", content=npy(rows(2)), headers=NPY)
    assert same.json() == inner
    whole = http.post("/v1/embed", json={"x": rows(2).tolist(), "depth": 2}).json()
    assert whole["space"] == "space-of-first"
    assert np.allclose(whole["z"], tiny.encode(rows(2)), atol=1e-4)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_one_image_is_one_row(http: httpx.Client, tiny: Any, kind: str) -> None:
    pixels = np.arange(0, 160, 10, dtype=np.uint8).reshape(4, 4)
    buffer = io.BytesIO()
    if kind == "PNG":
        Image.fromarray(pixels).save(buffer, kind)
        answer = http.post("/v1/embed", content=buffer.getvalue(), headers={"Content-Type": "image/png"})
        assert np.allclose(answer.json()["z"], tiny.encode(pixels[None]), atol=1e-4)
    else:
        # WebP has no grey: its colours are refused for a grey release rather than mixed unasked.
        Image.fromarray(pixels).save(buffer, kind)
        answer = http.post("/v1/embed", content=buffer.getvalue(), headers={"Content-Type": "image/webp"})
        assert answer.json()["error"]["message"].startswith("x: an image of mode RGB came")


def test_rows_can_be_had_as_one_picture(http: httpx.Client, tiny: Any) -> None:
    z = np.random.default_rng(2).normal(size=(5, 2))
    answer = http.post("/v1/generate", json={"z": z.tolist()}, headers={"Accept": "image/png"})
    grid = np.asarray(Image.open(io.BytesIO(answer.content)))
    # Five of 4 × 4, as square as fits: two lines of three.
    assert grid.shape == (8, 12)
    expected = np.clip(tiny.decode(z), 0, 255).round()
    assert np.abs(grid[:4, 4:8] - expected[1]).max() <= 1
    assert np.abs(grid[4:, 4:8] - expected[4]).max() <= 1
    assert not grid[4:, 8:].any()


def test_samples_come_with_their_codes_and_repeat_with_their_seed(http: httpx.Client, tiny: Any) -> None:
    first = http.post("/v1/sample", json={"count": 5, "seed": 3}).json()
    assert np.allclose(first["x"], tiny.decode(first["z"]), atol=1e-2)
    assert first == http.post("/v1/sample", json={"count": 5, "seed": 3}).json()
    assert first != http.post("/v1/sample", json={"count": 5, "seed": 4}).json()
    assert len(http.post("/v1/sample").json()["x"]) == 64


def test_samples_follow_the_fitted_density(http: httpx.Client) -> None:
    z = np.array(http.post("/v1/sample", json={"count": 256, "seed": 0}).json()["z"])
    # A quarter around (-1, 0), the rest around (1, 0), both with a deviation of 0.1.
    right = z[:, 0] > 0
    assert abs(right.mean() - 0.75) < 0.1
    assert np.allclose(z[right].mean(0), [1, 0], atol=0.05)
    assert np.allclose(z[~right].std(0), 0.1, atol=0.03)


def test_accept_prefers_by_weight(http: httpx.Client) -> None:
    def kind(accept: str) -> str:
        answer = http.post("/v1/generate", json={"z": [[0, 0]]}, headers={"Accept": accept})
        return str(answer.headers["Content-Type"])

    assert kind("*/*") == "application/json"
    assert kind("text/html, image/*;q=0.8, */*;q=0.1") == "image/png"
    assert kind("application/json;q=0.5, application/x-npy") == "application/x-npy"
    assert kind("application/json;q=0, application/*") == "application/x-npy"


def test_bentomls_own_client_works(server: Any, tiny: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", rows(3))
    program = f"""
import json, sys
import bentoml, numpy as np
x = np.load({str(tmp_path / "x.npy")!r})
with bentoml.SyncHTTPClient({server.url!r}) as client:
    embedded = client.embed(x=x)
    generated = client.generate(z=embedded["z"], space=embedded["space"])
    assert isinstance(embedded["z"], np.ndarray) and isinstance(generated["x"], np.ndarray)
    classified = client.classify(x=x)
    scored = client.score(x=x, space=embedded["space"])
    try:
        client.embed(x=x[0])
    except bentoml.exceptions.BentoMLException as error:
        refusal = str(error)
p, label = classified["p"].tolist(), classified["label"]
scores = [scored[name].tolist() for name in ("reconstruction_error", "latent_distance", "latent_p")]
json.dump([embedded["z"].tolist(), embedded["space"], generated["x"].tolist(), p, label, refusal, scores], sys.stdout)
"""
    # In a process of its own: it warns, and leaves a temporary folder to the garbage collector.
    output = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE).stdout
    z, space, x, p, label, refusal, scores = json.loads(output)
    assert np.allclose(z, tiny.encode(rows(3)), atol=1e-4)
    assert space == "space-of-first"
    assert np.allclose(x, tiny.decode(z), atol=1e-2)
    assert np.allclose(p, tiny.classify(rows(3)), atol=1e-4)
    assert label == [LABELS[index] for index in tiny.classify(rows(3)).argmax(1)]
    assert np.allclose(scores[:2], measured(tiny, rows(3)), rtol=1e-3)
    assert min(scores[2]) > 0
    assert json.loads(refusal)["error"]["message"] == "x: shape (4, 4) came, (batch, 4, 4) expected"


def test_the_log_says_which_release_is_live_on_which_device(server: Any, http: httpx.Client) -> None:
    device = http.get("/v1/models").json()["device"]
    assert f"release first is live on {device} (before: none)" in server.log_text()


def test_models_say_what_is_live(http: httpx.Client) -> None:
    models = http.get("/v1/models").json()
    assert models["live"] == "first"
    assert models["device"] in ("cpu", "cuda")
    assert models["models"] == [{"release": "first", "aliases": ["champion"], "live": True}]
    assert models["failure"] is None
    by_alias = http.get("/v1/models/champion").json()
    assert by_alias == http.get("/v1/models/first").json()
    assert by_alias["manifest"]["input"]["shape"] == [4, 4]
    assert by_alias["live"] is True


def test_every_route_is_in_the_openapi_document_and_answers(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert document == http.get("/docs.json").json()
    bodies = {"embed": {"x": rows(1).tolist()}, "generate": {"z": [[0, 0]]}, "sample": {"count": 1}}
    bodies["infer"] = {"inputs": [{"name": "z", "datatype": "FP32", "shape": [1, 2], "data": [0, 0]}]}
    bodies["reconstruct"] = bodies["classify"] = bodies["score"] = bodies["neighbors"] = bodies["embed"]
    bodies["interpolate"] = {"x": rows(2).tolist()}
    content = document["paths"]["/v1/embeddings"]["post"]["requestBody"]["content"]
    bodies["embeddings"] = content["application/json"]["example"]
    for path, methods in document["paths"].items():
        for method in methods:
            url = path.replace("{release}", "champion").replace("{model}", "decoder").replace("{version}", "first")
            body = bodies.get(path.rpartition("/")[2]) if method == "post" else None
            assert http.request(method, url, json=body).status_code == 200, (method, path)
    ours = ("/v1", "/embed", "/classify", "/generate", "/reconstruct", "/score")
    listed = {path for path in document["paths"] if path.startswith(ours)}
    schema = http.get("/schema.json").json()["paths"]
    assert listed == {path for path in schema if path.startswith(ours)}


def test_the_openapi_document_refers_to_nothing_that_is_not_there(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()

    def references(part: Any) -> Any:
        if isinstance(part, dict):
            if "$ref" in part:
                yield part["$ref"]
            part = list(part.values())
        for item in part if isinstance(part, list) else []:
            yield from references(item)

    found = set(references(document))
    assert found
    for reference in found:
        part = document
        for name in reference.removeprefix("#/").split("/"):
            part = part[name]


def test_the_page_names_the_live_release_and_loads_nothing_from_elsewhere(http: httpx.Client) -> None:
    page = http.get("/").text
    assert "first" in page
    assert "/v1/embed" in page
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page


def test_metrics_count_requests_by_route_and_made_up_paths_as_one(http: httpx.Client) -> None:
    http.post("/v1/embed", json={"x": rows(7).tolist()})
    http.post("/v1/embed", json={})
    for number in range(3):
        http.get(f"/made/up/{number}")
    text = http.get("/metrics").text
    assert 'manifold_requests_total{route="/v1/embed",status="200"}' in text
    assert 'manifold_requests_total{route="/v1/embed",status="422"}' in text
    assert 'manifold_requests_total{route="other",status="404"}' in text
    assert "made/up" not in text
    assert 'manifold_rows_total{operation="embed"}' in text
    for stage in ("read", "queue", "run", "write"):
        assert f'manifold_stage_seconds_count{{stage="{stage}",work=' in text
    assert 'manifold_live_release{device="cpu",release="first",space="space-of-first"} 1.0' in text
    assert "manifold_release_load_failures_total 0.0" in text
