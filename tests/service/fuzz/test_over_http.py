"""The same bodies over HTTP: each answer is 200 or a refusal in its shape, whatever was sent."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.service.fuzz import sent
from tests.service.processes import Server

REFUSALS = {400, 404, 409, 413, 415, 422}
PATHS = [
    "/v1/embed", "/embed", "/v1/classify", "/classify", "/v1/generate", "/generate", "/v1/reconstruct", "/v1/score",
    "/v1/neighbors", "/v1/interpolate", "/v1/sample", "/v1/embeddings", "/v2/models/encoder/infer",
    "/v2/models/decoder/infer", "/v2/repository/index",
]  # fmt: skip
ACCEPTED = ["*/*", "application/json", "application/x-npy", "image/png", "text/csv"]


@pytest.fixture(scope="module")
def asking(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=20) as client:
        yield client


def checked(answer: httpx.Response) -> None:
    if answer.status_code == 200:
        return
    assert answer.status_code in REFUSALS, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    assert list(body) == ["error"], body
    if answer.request.url.path.startswith("/v2/"):
        assert isinstance(body["error"], str)
    else:
        assert set(body["error"]) == {"code", "message", "field"}, body


@pytest.mark.parametrize("kind", sent.BODIES)
@sent.fuzzed
@given(st.data())
def test_bodies(asking: httpx.Client, kind: str, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(PATHS))
    headers = {"Content-Type": kind, "Accept": data.draw(st.sampled_from(ACCEPTED))}
    checked(asking.post(path, content=data.draw(sent.BODIES[kind]), headers=headers))


@sent.fuzzed
@given(sent.OPENAI)
def test_openai_bodies(asking: httpx.Client, body: bytes) -> None:
    checked(asking.post("/v1/embeddings", content=body, headers={"Content-Type": "application/json"}))


@sent.fuzzed
@given(sent.inference_requests(), st.sampled_from(["encoder", "decoder"]))
def test_inference_requests(asking: httpx.Client, request: tuple[bytes, str | None], model: str) -> None:
    body, said = request
    # A header is latin-1, or no header.
    headers = {"Inference-Header-Content-Length": said} if said is not None and said.isascii() else {}
    checked(asking.post(f"/v2/models/{model}/infer", content=body, headers=headers))
