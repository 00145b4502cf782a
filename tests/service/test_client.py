"""What the clients for Python programs say and understand, against a real server; both have the same methods."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from service.client import AsyncManifoldClient, ManifoldClient, ServiceError
from service.client.method import Method
from service.client.methods import Methods
from service.client.rows import bodies

X = np.random.default_rng(0).uniform(0, 255, (3, 4, 4)).astype(np.float32)


def test_arrays_in_arrays_out(server: Any, tiny: Any) -> None:
    with ManifoldClient(server.url) as client:
        client.wait_until_ready(5)
        embedding = client.embed(X)
        assert (embedding.space, embedding.release) == ("space-of-first", "first")
        assert embedding.codes.dtype == np.float32
        assert np.allclose(embedding.codes, tiny.encode(X), atol=1e-4)
        assert np.allclose(client.embed(X.tolist(), depth=1).codes, tiny.inner_code(X), atol=1e-4)
        rows = client.generate(embedding.codes, space=embedding.space)
        assert np.allclose(rows, tiny.decode(embedding.codes), atol=1e-2)
        assert np.allclose(client.reconstruct(X), rows, atol=1e-2)
        samples = client.sample(4, seed=1)
        assert samples.rows.shape == (4, 4, 4)
        assert np.allclose(samples.rows, tiny.decode(samples.codes), atol=1e-2)
        assert (samples.method, samples.steps, samples.reference_rows) == ("density", 1, 50)
        assert samples.density_percentile is not None
        assert samples.nearest_distance is not None
        assert (
            samples.density_percentile.shape == samples.round_trip_error.shape == samples.nearest_distance.shape == (4,)
        )
        walked = client.sample(4, seed=1, method="jacobian_walk", steps=2)
        assert (walked.method, walked.steps) == ("jacobian_walk", 2)
        means = client.sample(4, seed=1, temperature=0.0).codes
        assert np.allclose(np.abs(means), [1, 0], atol=1e-6)
        assert client.models()["live"] == "first"


def asked_both_ways(url: str, name: str, *arguments: Any, **named: Any) -> tuple[Any, Any]:
    """What a method gives programs that wait, and those that await."""

    async def awaited() -> Any:
        async with AsyncManifoldClient(url) as client:
            return await getattr(client, name)(*arguments, **named)

    with ManifoldClient(url) as client:
        return getattr(client, name)(*arguments, **named), asyncio.run(awaited())


ASKED: tuple[tuple[str, tuple[Any, ...], dict[str, Any]], ...] = (
    ("embed", (X,), {"depth": 1}),
    ("classify", (X,), {}),
    ("generate", ([[1.0, 2.0]],), {}),
    ("generate_png", ([[1.0, 2.0]],), {}),
    ("reconstruct", (X,), {"space": "space-of-first"}),
    ("reconstruct_png", (X,), {}),
    ("sample", (3, 1), {"method": "walkback", "steps": 2}),
    ("sample_png", (3, 1), {}),
    ("score", (X,), {}),
    ("neighbors", (X,), {"k": 2}),
    ("interpolate", (X[:2],), {"steps": 3}),
    ("interpolate_png", (), {"codes": [[0.0, 0.0], [1.0, 1.0]], "space": "space-of-first"}),
    ("models", (), {}),
    ("model", (), {}),
    ("wait_until_ready", (5,), {}),
)


@pytest.mark.parametrize(("name", "arguments", "named"), ASKED, ids=[name for name, _, _ in ASKED])
def test_both_clients_give_the_same(server: Any, name: str, arguments: Any, named: Any) -> None:
    waited, awaited = asked_both_ways(server.url, name, *arguments, **named)
    if name.endswith("_png"):
        assert waited.startswith(b"\x89PNG")
    if name == "model":
        assert waited["manifest"]["input"]["shape"] == [4, 4]
    if dataclasses.is_dataclass(waited):
        assert type(waited) is type(awaited)
        waited, awaited = vars(waited), vars(awaited)
        assert waited.keys() == awaited.keys()
        for field, value in waited.items():
            assert np.array_equal(value, awaited[field]), field
    else:
        assert np.array_equal(waited, awaited)


def test_every_method_is_tried_above() -> None:
    methods = {name for name, value in vars(Methods).items() if isinstance(value, Method)}
    assert methods == {name for name, _, _ in ASKED}


def test_images_are_rows_as_they_are(server: Any, tiny: Any) -> None:
    files = []
    for row in X:
        buffer = io.BytesIO()
        Image.fromarray(row.astype(np.uint8)).save(buffer, "PNG")
        files.append(buffer.getvalue())
    codes = tiny.encode(X.astype(np.uint8))
    with ManifoldClient(server.url) as client:
        assert np.allclose(client.embed(files).codes, codes, atol=1e-4)
        assert np.allclose(client.embed(files[1]).codes, codes[1:2], atol=1e-4)
        assert client.reconstruct_png(files[0]).startswith(b"\x89PNG")
        with pytest.raises(ServiceError, match="no PNG, JPEG or WebP"):
            client.embed(b"GIF89a")


def test_a_long_input_is_cut_and_comes_back_in_order(server: Any, tiny: Any) -> None:
    x = np.random.default_rng(1).uniform(0, 255, (700, 4, 4)).astype(np.float32)

    async def awaited() -> Any:
        async with AsyncManifoldClient(server.url, rows_per_request=33) as client:
            return await client.embed(x)

    with ManifoldClient(server.url, rows_per_request=256) as client:
        assert np.allclose(client.embed(x).codes, tiny.encode(x), atol=1e-4)
        assert np.allclose(asyncio.run(awaited()).codes, tiny.encode(x), atol=1e-4)
    with ManifoldClient(server.url) as client:
        with pytest.raises(ServiceError, match="at most 256") as caught:
            client.embed(x)
        assert (caught.value.status, caught.value.attempts) == (413, 1)


def test_wide_rows_are_cut_by_their_bytes() -> None:
    # 12 MB a row: two fit into a request.
    parts = list(bodies(np.zeros((5, 12 * 2**20), np.uint8), 1024))
    assert [len(part.content) // (12 * 2**20) for part in parts] == [2, 2, 1]


def test_threads_share_one_client(server: Any, tiny: Any) -> None:
    rows = np.random.default_rng(2).uniform(0, 255, (160, 1, 4, 4)).astype(np.float32)
    with ManifoldClient(server.url) as client, ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda row: client.embed(row).codes, rows))
    assert np.allclose(np.concatenate(answers), tiny.encode(rows[:, 0]), atol=1e-4)


def test_a_refusal_is_an_error_that_names_the_field(server: Any) -> None:
    with ManifoldClient(server.url) as client:
        with pytest.raises(ServiceError, match=r"x: shape \(4, 4\) came") as caught:
            client.embed(X[0])
        assert (caught.value.code, caught.value.field, caught.value.status) == ("invalid_value", "x", 422)
        assert str(caught.value).endswith(f"(422 invalid_value, field x, POST {server.url}/v1/embed)")
        with pytest.raises(ServiceError, match="an empty batch came"):
            client.embed(X[:0])
        with pytest.raises(ServiceError, match="no numbers"):
            client.embed(np.array([None]))
        with pytest.raises(ServiceError, match="different lengths"):
            client.embed([[1.0], [1.0, 2.0]])
        with pytest.raises(ServiceError, match=r"shape \(\) came"):
            client.embed(3.0)
        with pytest.raises(ServiceError) as caught:
            client.generate([[0, 0]], space="elsewhere")
        assert caught.value.status == 409


def test_a_service_that_is_not_there_is_an_error_in_time() -> None:
    started = time.monotonic()
    with ManifoldClient("http://127.0.0.1:9") as client:
        with pytest.raises(ServiceError) as caught:
            client.models()
        assert (caught.value.code, caught.value.status) == ("unreachable", None)
        with pytest.raises(ServiceError):
            client.wait_until_ready(0.3)
    assert time.monotonic() - started < 5


def test_importing_it_loads_no_server() -> None:
    program = "import service.client, sys; print([m for m in ('bentoml', 'onnxruntime') if m in sys.modules])"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, check=True, stdout=subprocess.PIPE)
    assert done.stdout.strip() == b"[]"
