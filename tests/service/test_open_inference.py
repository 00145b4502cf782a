"""The Open Inference Protocol over real HTTP, as Triton's own client speaks it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from service.release.home import Home

X = np.random.default_rng(0).uniform(0, 255, (3, 4, 4)).astype(np.float32)
Z = np.array([[0.5, -1.0], [2.0, 0.25]], np.float32)


@pytest.fixture
def client(server: Any) -> Iterator[Any]:
    with triton.InferenceServerClient(urlsplit(server.url).netloc) as client:
        yield client


def tensor(name: str, array: Any, *, binary: bool = True) -> Any:
    given = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    return given.set_data_from_numpy(array, binary_data=binary)


def message(
    name: str = "x", shape: Any = None, datatype: Any = "FP32", data: Any = None, **more: Any
) -> dict[str, Any]:
    """A request of one tensor; by default one that is answered."""
    values = np.zeros((1, 4, 4)).tolist() if data is None else data
    return {"inputs": [{"name": name, "shape": shape or [1, 4, 4], "datatype": datatype, "data": values}], **more}


def same(found: Any, expected: Any) -> bool:
    """Bit for bit."""
    return (found.dtype, found.shape, found.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())


def embedded(http: httpx.Client, x: Any, **options: Any) -> Any:
    return np.array(http.post("/v1/embed", json={"x": x.tolist(), **options}).json()["z"], np.float32)


def test_a_client_finds_the_server_its_models_and_their_tensors(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    server = client.get_server_metadata()
    assert server["name"] == "manifold"
    assert set(server["extensions"]) == {"binary_tensor_data", "model_repository"}
    encoder = client.get_model_metadata("encoder")
    assert (encoder["name"], encoder["versions"], encoder["platform"]) == ("encoder", ["first"], "onnx_onnxv1")
    assert encoder["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4, 4]}]
    assert encoder["outputs"] == [
        {"name": "z", "datatype": "FP32", "shape": [-1, 2]},
        {"name": "code_1", "datatype": "FP32", "shape": [-1, 3]},
    ]
    decoder = client.get_model_metadata("decoder", "first")
    assert decoder["inputs"] == [{"name": "z", "datatype": "FP32", "shape": [-1, 2]}]
    assert decoder["outputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4, 4]}]
    assert client.is_model_ready("encoder")
    assert client.is_model_ready("decoder", "first")
    assert client.get_model_repository_index() == [
        {"name": name, "version": "first", "state": "READY", "reason": ""} for name in ("encoder", "decoder")
    ]


def test_a_version_or_model_that_is_not_loaded_is_a_404(client: Any, http: httpx.Client) -> None:
    assert not client.is_model_ready("encoder", "second")
    assert not client.is_model_ready("classifier")
    for model, version in (("encoder", "second"), ("classifier", "")):
        with pytest.raises(InferenceServerException) as caught:
            client.get_model_metadata(model, version)
        assert caught.value.status() == "404"
    with pytest.raises(InferenceServerException, match="version second of encoder is not loaded; first is") as caught:
        client.infer("encoder", [tensor("x", X)], model_version="second")
    assert caught.value.status() == "404"
    assert http.get("/v2/models/encoder/versions/second/ready").status_code == 404


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_codes_and_rows_are_those_of_v1_bit_for_bit(
    client: Any, http: httpx.Client, *, binary_in: bool, binary_out: bool
) -> None:
    wanted = [triton.InferRequestedOutput("z", binary_data=binary_out)]
    answer = client.infer("encoder", [tensor("x", X, binary=binary_in)], outputs=wanted, request_id="my id")
    assert same(answer.as_numpy("z"), embedded(http, X))
    assert answer.as_numpy("code_1") is None
    said = answer.get_response()
    assert (said["id"], said["model_name"], said["model_version"]) == ("my id", "encoder", "first")
    assert said["parameters"] == {"space": "space-of-first", "release": "first"}
    assert ("data" in said["outputs"][0]) is not binary_out

    wanted = [triton.InferRequestedOutput("x", binary_data=binary_out)]
    answer = client.infer("decoder", [tensor("z", Z, binary=binary_in)], "first", outputs=wanted)
    generated = http.post("/v1/generate", json={"z": Z.tolist()}).json()
    assert same(answer.as_numpy("x"), np.array(generated["x"], np.float32))
    assert "id" not in answer.get_response()


def test_without_outputs_named_all_come_and_each_may_be_binary_or_not(client: Any, http: httpx.Client) -> None:
    whole, inner = embedded(http, X), embedded(http, X, depth=1)
    answer = client.infer("encoder", [tensor("x", X)])
    assert [output["name"] for output in answer.get_response()["outputs"]] == ["z", "code_1"]
    assert same(answer.as_numpy("z"), whole)
    assert same(answer.as_numpy("code_1"), inner)
    assert answer.get_output("code_1")["parameters"]["space"] == "space-of-first/depth-1"
    wanted = [triton.InferRequestedOutput("code_1", binary_data=False), triton.InferRequestedOutput("z")]
    answer = client.infer("encoder", [tensor("x", X)], outputs=wanted)
    assert [output["name"] for output in answer.get_response()["outputs"]] == ["code_1", "z"]
    assert "data" in answer.get_output("code_1")
    assert same(answer.as_numpy("z"), whole)
    assert same(answer.as_numpy("code_1"), inner)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
def test_numbers_of_each_datatype_are_converted(client: Any, http: httpx.Client, dtype: str) -> None:
    x = (X / 2).round().astype(dtype)
    z = embedded(http, x)
    assert same(client.infer("encoder", [tensor("x", x)]).as_numpy("z"), z)
    if dtype != "f2":
        assert same(client.infer("encoder", [tensor("x", x, binary=False)]).as_numpy("z"), z)


def test_json_may_be_nested_or_flat_and_say_more_than_is_known(http: httpx.Client) -> None:
    nested = message(data=X.tolist(), shape=[3, 4, 4], model_name="encoder", parameters={"timeout": 7})
    flat = message(data=X.reshape(-1).tolist(), shape=[3, 4, 4])
    answers = [http.post("/v2/models/encoder/infer", json=body).json()["outputs"] for body in (nested, flat)]
    assert answers[0] == answers[1]
    assert same(np.array(answers[0][0]["data"], np.float32).reshape(3, 2), embedded(http, X))


@pytest.mark.parametrize(
    ("changed", "status", "words"),
    [
        ({"name": "z"}, 422, "inputs: z came"),
        ({"name": None}, 422, "inputs: null came"),
        ({"datatype": "BYTES"}, 422, "x: datatype BYTES came, one of FP16, FP32"),
        ({"datatype": "BOOL"}, 422, "x: datatype BOOL came"),
        ({"datatype": ["FP32"]}, 422, "x: datatype an array came"),
        ({"datatype": "FP16"}, 422, "x: FP16 comes as binary data only"),
        ({"shape": [4, 4]}, 422, "x: data of shape [1] came, [4, 4] or 16 in a line expected"),
        ({"shape": [2, 4, 4]}, 422, "x: data of shape [1] came, [2, 4, 4] or 32 in a line expected"),
        ({"shape": [1, 16], "data": [[0] * 16]}, 422, "x: shape (1, 16) came, (batch, 4, 4) expected"),
        ({"shape": [-1, 4, 4]}, 422, "x: shape: whole numbers from 0"),
        ({"shape": [True, 4, 4]}, 422, "x: shape: whole numbers from 0"),
        ({"shape": [1.0, 4, 4]}, 422, "x: shape: whole numbers from 0"),
        ({"shape": "1,4,4"}, 422, "x: shape: 1 to 8"),
        ({"shape": [1] * 9}, 422, "x: shape: 1 to 8"),
        ({"shape": [0, 2**63, 2**63], "data": []}, 422, "x: an empty batch came"),
        ({"shape": [257, 4, 4], "data": [0] * 4112}, 413, "x: 257 rows came, at most 256"),
        ({"data": 7}, 422, "x: a number came"),
        ({"data": "rows"}, 422, "x: a string came"),
        ({"data": [[[0] * 4] * 3 + [[0, 0, 0, True]]]}, 422, "x[0][3][3]: a boolean came"),
        ({"data": [0] * 15 + ["1"]}, 422, "x[15]: a string came"),
        ({"data": [0] * 15 + [1e39]}, 422, "x[0][3][3]: 1e+39 came, finite float32"),
        ({"data": [0] * 15 + [256], "datatype": "UINT8"}, 422, "x: UINT8 came, whole numbers from 0 to 255"),
        ({"data": [0] * 15 + [-1], "datatype": "UINT8"}, 422, "x: UINT8 came, whole numbers from 0 to 255"),
        ({"data": [0] * 15 + [0.5], "datatype": "INT64"}, 422, "x: INT64 came, whole numbers"),
        ({"id": 7}, 422, "id: a number came"),
        ({"parameters": []}, 422, "parameters: an array came"),
        ({"parameters": {"binary_data_output": 1}}, 422, "binary_data_output: a number came"),
        ({"parameters": {"space": "elsewhere"}}, 409, "space: elsewhere came"),
        ({"parameters": {"space": [[1]]}}, 422, "space"),
        ({"outputs": [{"name": "x"}]}, 422, "outputs: x came; each once there can be: z, code_1"),
        ({"outputs": [{"name": "z"}, {"name": "z"}]}, 422, "outputs: z came"),
        ({"outputs": [{"name": ["z"]}]}, 422, "outputs: an array came"),
        ({"outputs": {"name": "z"}}, 422, "outputs: an array of 1 to 2 objects"),
        ({"outputs": [{"name": "z", "parameters": {"classification": 1}}]}, 422, "classification is not spoken"),
        ({"outputs": [{"name": "z", "parameters": {"shared_memory_region": "r"}}]}, 422, "not spoken"),
        ({"outputs": [{"name": "z", "parameters": {"binary_data": None}}]}, 422, "binary_data: null came"),
        ({"inputs": []}, 422, "inputs: an array of one object"),
        ({"inputs": [{}, {}]}, 422, "inputs: an array of one object"),
        ({"inputs": None}, 422, "inputs: an array of one object"),
    ],
)
def test_a_request_that_does_not_fit_is_refused_in_the_protocols_shape(
    http: httpx.Client, changed: dict[str, Any], status: int, words: str
) -> None:
    answer = http.post("/v2/models/encoder/infer", json=message(**changed))
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"]
    assert words in answer.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "words"),
    [
        ("POST", "/v2/models/encoder/infer", b"{", 400, "body: not JSON"),
        ("POST", "/v2/models/encoder/infer", b"[]", 422, "body: an array came"),
        ("POST", "/v2/models/encoder/infer", b'{"inputs": [{"data": [NaN]}]}', 422, "NaN came, finite numbers"),
        ("POST", "/v2/models/encoder/infer", b" " * 200_001, 413, "more than 200,000 bytes"),
        ("POST", "/v2/repository/index", b'{"ready": "yes"}', 422, "ready: a string came"),
        ("GET", "/v2/models/encoder/infer", b"", 405, "GET is not spoken at /v2/models/encoder/infer"),
        ("POST", "/v2/repository/models/encoder/load", b"", 404, "there is no /v2/repository/models/encoder/load here"),
        ("GET", "/v2/nothing", b"", 404, "there is no /v2/nothing here"),
    ],
)
def test_every_error_below_v2_has_the_protocols_shape(
    http: httpx.Client, method: str, path: str, content: bytes, status: int, words: str
) -> None:
    answer = http.request(method, path, content=content)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/json"), answer.text
    assert list(answer.json()) == ["error"]
    assert words in answer.json()["error"]


def test_bodies_that_are_compressed_or_of_another_type_are_a_415(client: Any, http: httpx.Client) -> None:
    with pytest.raises(InferenceServerException, match="uncompressed only") as caught:
        client.infer("encoder", [tensor("x", X)], request_compression_algorithm="gzip")
    assert caught.value.status() == "415"
    answer = http.post("/v2/models/encoder/infer", content=b"{}", headers={"Content-Type": "text/plain"})
    assert (answer.status_code, list(answer.json())) == (415, ["error"])


def test_values_that_are_not_finite_or_too_large_for_the_network_are_refused(client: Any) -> None:
    huge = np.array([[3e38, -3e38]], np.float32)
    for model, name, array in (
        ("encoder", "x", X * np.nan),
        ("encoder", "x", X * np.float64(1e300)),
        ("decoder", "z", huge),
    ):
        with pytest.raises(InferenceServerException, match="finite") as caught:
            client.infer(model, [tensor(name, array)])
        assert caught.value.status() == "422"


def test_the_documentation_runs_as_it_stands(server: Any) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "serving.md").read_text()
    (program,) = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "tritonclient" in block]
    program = program.replace("localhost:3000", urlsplit(server.url).netloc)
    done = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE)
    assert done.stdout == b"(3, 4, 4) first\n"


def test_metrics_count_versions_and_made_up_models_together(client: Any, http: httpx.Client) -> None:
    client.infer("encoder", [tensor("x", X)], model_version="first")
    http.get("/v2/models/made/up")
    text = http.get("/metrics").text
    assert 'manifold_requests_total{route="/v2/models/encoder/infer",status="200"}' in text
    assert "versions" not in text
    assert "made/up" not in text


def test_before_a_release_is_live_it_lives_and_is_not_ready(start_server: Any, wait_for: Any, home: Home) -> None:
    with start_server(home) as server:
        wait_for(server, "/v2/health/live", 200)
        answer = wait_for(server, "/v2/health/ready", 400)
        assert list(answer.json()) == ["error"]
        with triton.InferenceServerClient(urlsplit(server.url).netloc) as client:
            assert client.is_server_live()
            assert not client.is_server_ready()
            assert not client.is_model_ready("encoder")
            assert client.get_model_repository_index() == []
            with pytest.raises(InferenceServerException) as caught:
                client.infer("encoder", [tensor("x", X)])
            assert caught.value.status() == "503"
