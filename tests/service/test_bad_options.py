"""Options, spaces, models and routes that are not there, over real HTTP."""

from __future__ import annotations

import io
from typing import Any

import httpx
import numpy as np
import pytest

from tests.service.refusals import refused

NPY = {"Content-Type": "application/x-npy"}


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


GOOD = npy(np.zeros((2, 4, 4), np.float32))


@pytest.mark.parametrize("depth", [0, 3, -1, 1.0, True, "one", [1]])
def test_a_depth_that_is_not_there_is_named(http: httpx.Client, depth: Any) -> None:
    answer = http.post("/v1/embed", json={"x": [[[0] * 4] * 4], "depth": depth})
    refused(answer, 422, "invalid_value", "depth", "from 1 to 2 expected")


@pytest.mark.parametrize("option", ["depth", "space"])
def test_an_option_nested_as_deep_as_json_may_be_is_named(http: httpx.Client, option: str) -> None:
    body = f'{{"x": {[[[0] * 4] * 4]}, "{option}": {"[" * 950 + "]" * 950}}}'
    answer = http.post("/v1/embed", content=body, headers={"Content-Type": "application/json"})
    refused(answer, 422, "invalid_value", option, "an array came")


def test_codes_of_another_space_are_a_409(http: httpx.Client) -> None:
    for path in ("/v1/generate", "/generate"):
        answer = http.post(path, json={"z": [[0, 0]], "space": "elsewhere"})
        refused(answer, 409, "wrong_space", "space", "elsewhere", "space-of-first")
    answer = http.post("/v1/embed?space=elsewhere", content=GOOD, headers=NPY)
    refused(answer, 409, "wrong_space", "space")
    answer = http.post("/v1/generate", json={"z": [[0, 0]], "space": 1})
    refused(answer, 422, "invalid_value", "space", "text expected")


def test_codes_of_the_wrong_width_are_named(http: httpx.Client) -> None:
    for path in ("/v1/generate", "/generate"):
        answer = http.post(path, json={"z": [[1, 2, 3]]})
        refused(answer, 422, "invalid_value", "z", "shape (1, 3) came, (batch, 2) expected")


def test_values_that_the_network_cannot_bear_are_named(http: httpx.Client) -> None:
    answer = http.post("/v1/generate", json={"z": [[0, 0], [3e38, 3e38]]})
    refused(answer, 422, "invalid_value", "z", "z[1]", "not finite")


def test_options_beside_json_and_unknown_ones_are_refused(http: httpx.Client) -> None:
    answer = http.post("/v1/embed?depth=1", json={"x": [[[0] * 4] * 4]})
    refused(answer, 422, "invalid_value", "depth", "unknown field")
    answer = http.post("/v1/embed?dept=1", content=GOOD, headers=NPY)
    refused(answer, 422, "invalid_value", "dept", "unknown field; known are: depth, space")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"count": 0}, "count"),
        ({"count": 257}, "count"),
        ({"count": True}, "count"),
        ({"count": 1.5}, "count"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"number": 3}, "number"),
        ({"method": "prayer"}, "method"),
        ({"method": 1}, "method"),
        ({"method": ["density"]}, "method"),
        ({"method": "walkback", "steps": 0}, "steps"),
        ({"method": "walkback", "steps": 1025}, "steps"),
        ({"method": "walkback", "temperature": 1}, "temperature"),
        ({"method": "density", "steps": 2}, "steps"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": 10.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
    ],
)
def test_a_sample_that_cannot_be_drawn_is_named(http: httpx.Client, body: dict[str, Any], field: str) -> None:
    refused(http.post("/v1/sample", json=body), 422, "invalid_value", field)


@pytest.mark.parametrize("name", ["nothing", "previous", "..", "%2e%2e%2fhome", "latest", "fir"])
def test_an_unknown_model_is_a_404(http: httpx.Client, name: str) -> None:
    answer = http.get(f"/v1/models/{name}")
    assert answer.status_code == 404, answer.text
    assert answer.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize(("method", "path"), [("GET", "/nothing"), ("POST", "/v3/embed"), ("PUT", "/v1")])
def test_an_unknown_route_is_a_404_in_the_one_shape(http: httpx.Client, method: str, path: str) -> None:
    refused(http.request(method, path), 404, "not_found", None, path)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/embed"), ("GET", "/embed"), ("POST", "/v1/models"), ("DELETE", "/readyz")],
)
def test_a_method_that_is_not_spoken_is_a_405_in_the_one_shape(http: httpx.Client, method: str, path: str) -> None:
    answer = http.request(method, path)
    refused(answer, 405, "method_not_allowed", None, method, path)
    assert answer.headers["Allow"]
