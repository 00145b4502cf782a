"""The client for Python programs, against a real server."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.client import ManifoldClient, ServiceError

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


def test_a_refusal_is_an_error_that_names_the_field(server: Any) -> None:
    with ManifoldClient(server.url) as client:
        with pytest.raises(ServiceError, match=r"x: shape \(4, 4\) came") as caught:
            client.embed(X[0])
        assert (caught.value.code, caught.value.field, caught.value.status) == ("invalid_value", "x", 422)
        with pytest.raises(ServiceError, match="an empty batch came"):
            client.embed(X[:0])
        with pytest.raises(ServiceError, match="no numbers"):
            client.embed(np.array([None]))
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
