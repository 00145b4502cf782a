"""What a client may get wrong, over real HTTP: each is answered in the one shape, never by a 500."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.service.refusals import refused

JSON = {"Content-Type": "application/json"}
NPY = {"Content-Type": "application/x-npy"}
ROW = "[[1,2,3,4],[1,2,3,4],[1,2,3,4],[1,2,3,4]]"


def npy(array: Any, *, allow_pickle: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=allow_pickle)
    return buffer.getvalue()


def picture(size: tuple[int, int], mode: str = "L", kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture(params=["/v1/embed", "/embed", "/v1/classify", "/v1/neighbors"])
def path(request: pytest.FixtureRequest) -> str:
    """The native endpoint is as strict as the other."""
    return str(request.param)


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ('{"x": [1, 2]}', "x", "shape (2,) came, (batch, 4, 4) expected"),
        (f'{{"x": {ROW}}}', "x", "shape (4, 4) came, (batch, 4, 4) expected"),
        ('{"x": [[1, 2, 3]]}', "x", "shape (1, 3) came, (batch, 4, 4) expected"),
        ('{"x": [[[1, 2], [3, 4]]]}', "x", "shape (1, 2, 2) came, (batch, 4, 4) expected"),
        ('{"x": [[[[[[[[[[1]]]]]]]]]]}', "x", "came, (batch, 4, 4) expected"),
        ('{"x": 1}', "x", "a number came, an array of rows expected"),
        ('{"x": null}', "x", "null came, an array of rows expected"),
        ('{"x": "rows"}', "x", "a string came, an array of rows expected"),
        ('{"x": {"0": 1}}', "x", "an object came, an array of rows expected"),
        ('{"x": []}', "x", "an empty batch came"),
        ('{"x": [[]]}', "x", "shape (1, 0) came"),
        ('{"x": [[1, 2], [3]]}', "x", "x[1]: shape (1,) came, (2,) expected as in x[0]"),
        ('{"x": [[1, 2], 3]}', "x", "x[1]: shape () came, (2,) expected"),
        ('{"x": [[1, "2"]]}', "x", "x[0][1]: a string came, a number expected"),
        ('{"x": [[1, true]]}', "x", "x[0][1]: a boolean came, a number expected"),
        ('{"x": [[true, false]]}', "x", "x[0][0]: a boolean came"),
        ('{"x": [[1, null]]}', "x", "x[0][1]: null came, a number expected"),
        ('{"x": [[1, {}]]}', "x", "x[0][1]: an object came, a number expected"),
        ('{"x": [[1, NaN]]}', "x", "NaN came, finite numbers expected"),
        ('{"x": [[1, Infinity]]}', "x", "Infinity came, finite numbers expected"),
        ('{"x": [[1, 2], [3, -Infinity]]}', "x", "-Infinity came, finite numbers expected"),
        ('{"depth": 1, "x": [[1e999]]}', "x", "1e999 came, finite numbers expected"),
        (f'{{"x": [{ROW.replace("4", "1e39")}]}}', "x", "x[0][0][3]: 1e+39 came, finite float32"),
        (f'{{"x": [{ROW}], "y": 1}}', "y", "unknown field; known are: x"),
        ("{}", "x", "x: missing"),
        ("[1]", "body", "an array came, an object expected"),
    ],
)
def test_json_of_the_wrong_shape_or_value_is_named(
    http: httpx.Client, path: str, body: str, field: str, words: str
) -> None:
    refused(http.post(path, content=body, headers=JSON), 422, "invalid_value", field, words)


@pytest.mark.parametrize("body", [b"", b"{", b'{"x": [[1,', b"\xff\xfe", b'{"x": [[1 2]]}', b'{"x": ' + b"[" * 5000])
def test_malformed_json_is_a_400(http: httpx.Client, path: str, body: bytes) -> None:
    refused(http.post(path, content=body, headers=JSON), 400, "malformed", "body", "not JSON")


def test_a_deeply_nested_array_is_refused_without_a_traceback(http: httpx.Client, path: str) -> None:
    body = '{"x": ' + "[" * 900 + "true" + "]" * 900 + "}"
    refused(http.post(path, content=body, headers=JSON), 422, "invalid_value", "x", "nested deeper than 8")


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 4)), "shape (4, 4) came, (batch, 4, 4) expected"),
        (np.zeros((2, 16)), "shape (2, 16) came, (batch, 4, 4) expected"),
        (np.float64(1), "shape () came"),
        (np.zeros((0, 4, 4)), "an empty batch came"),
        (np.full((1, 4, 4), np.nan), "x[0][0][0]: nan came, finite float32 numbers expected"),
        (np.full((1, 4, 4), -np.inf), "-inf came"),
        (np.full((1, 4, 4), 1e200), "1e+200 came"),
        (np.zeros((1, 4, 4), bool), "dtype boolean came"),
        (np.full((1, 4, 4), "a"), "dtype string came"),
        (np.zeros((1, 4, 4), complex), "dtype complex came"),
        (np.zeros((1, 4, 4), [("a", "f4")]), "dtype structured came"),
        (np.zeros((1, 4, 4), "datetime64[s]"), "dtype M8[s] came"),
    ],
)
def test_an_npy_of_the_wrong_shape_or_value_is_named(http: httpx.Client, path: str, array: Any, words: str) -> None:
    refused(http.post(path, content=npy(array), headers=NPY), 422, "invalid_value", "x", words)


def test_an_npy_with_objects_is_refused_and_never_unpickled(http: httpx.Client, path: str) -> None:
    body = npy(np.array([print, {"a": 1}], object), allow_pickle=True)
    refused(http.post(path, content=body, headers=NPY), 422, "invalid_value", "x", "dtype object came")


GOOD = npy(np.zeros((2, 4, 4), np.float32))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not npy",
        GOOD[:8],
        GOOD[:40],
        GOOD[:-1],
        GOOD + b"more",
        GOOD.replace(b"(2, 4, 4)", b"(9, 4, 4)"),
        # Two exabytes, on the word of a header.
        GOOD.replace(b"(2, 4, 4), }      ", b"(2000000000000000,)"[:18]),
        GOOD.replace(b"'shape'", b"'shipe'"),
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + b"{" * 100,
        b"\x93NUMPY\x01\x00\x10\x27" + b"(" * 10_000,
    ],
)
def test_a_damaged_npy_is_a_400(http: httpx.Client, path: str, body: bytes) -> None:
    refused(http.post(path, content=body, headers=NPY), 400, "malformed", "body")


def test_an_npy_of_a_shape_that_numpy_cannot_hold_is_a_422(http: httpx.Client, path: str) -> None:
    none, huge = b"(0, 4, 4), }", b"(0, 999999999999999, 999999999999999), }"
    header = npy(np.zeros((0, 4, 4), np.float32)).replace(none.ljust(len(huge)), huge)
    assert huge in header
    refused(http.post(path, content=header, headers=NPY), 422, "invalid_value", "x", "which no array has")


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/vnd.bentoml+pickle", "", "jso"])
def test_another_content_type_is_a_415(http: httpx.Client, path: str, kind: str) -> None:
    answer = http.post(path, content=b"x", headers={"Content-Type": kind} if kind else {})
    refused(answer, 415, "unsupported_type", "Content-Type")


def test_a_compressed_body_is_a_415(http: httpx.Client, path: str) -> None:
    answer = http.post(path, content=b"x", headers={**JSON, "Content-Encoding": "gzip"})
    refused(answer, 415, "unsupported_type", "Content-Encoding", "gzip")


def test_an_answer_type_that_is_not_spoken_is_a_415(http: httpx.Client, path: str) -> None:
    answer = http.post(path, content=GOOD, headers={**NPY, "Accept": "text/csv"})
    refused(answer, 415, "unsupported_type", "Accept", "text/csv", "application/x-npy")


@pytest.mark.parametrize("headers", [JSON, NPY])
def test_too_many_rows_are_a_413_that_names_the_limit(http: httpx.Client, path: str, headers: dict[str, str]) -> None:
    rows = np.zeros((257, 4, 4), np.int8)
    body = npy(rows) if headers is NPY else str({"x": rows.tolist()}).replace("'", '"').encode()
    refused(http.post(path, content=body, headers=headers), 413, "too_large", "x", "257 rows", "at most 256")


def test_a_body_over_the_limit_is_a_413_before_it_is_read(http: httpx.Client, path: str) -> None:
    refused(http.post(path, content=b" " * 200_001, headers=JSON), 413, "too_large", "body", "200,000 bytes")


def test_a_chunked_body_is_counted_as_it_arrives(server: Any, path: str) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(60):
            yield b" " * 10_000

    with httpx.Client(base_url=server.url) as client:
        refused(client.post(path, content=chunks(), headers=JSON), 413, "too_large", "body", "200,000 bytes")


def test_a_body_that_ends_early_does_no_harm(server: Any, http: httpx.Client, path: str) -> None:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        head = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json", "Content-Length: 1000"]
        connection.sendall("\r\n".join(head).encode() + b'\r\n\r\n{"x"')
    assert http.post(path, content=f'{{"x": [{ROW}]}}', headers=JSON).status_code == 200
    assert "Traceback" not in server.log_text()


@pytest.mark.parametrize(
    ("body", "kind", "status", "code", "words"),
    [
        (picture((5, 4)), "png", 422, "invalid_value", "an image of 5 × 4 came, 4 × 4 expected"),
        (picture((4, 4), "RGB"), "png", 422, "invalid_value", "mode RGB came"),
        (picture((4, 4), "RGBA"), "png", 422, "invalid_value", "mode RGBA came"),
        (picture((4, 4)), "jpeg", 400, "malformed", "not a JPEG image"),
        (b"nothing", "webp", 400, "malformed", "not a WEBP image"),
        (picture((4, 4))[:-22], "png", 400, "malformed", "damaged PNG"),
        # 10 gigapixels in some bytes.
        (
            picture((4, 4)).replace(b"\x00\x00\x00\x04" * 2, b"\x00\x01\x86\xa0" * 2),
            "png",
            400,
            "malformed",
            "",
        ),
    ],
)
def test_an_image_that_does_not_fit_is_named(
    http: httpx.Client, path: str, body: bytes, kind: str, status: int, code: str, words: str
) -> None:
    answer = http.post(path, content=body, headers={"Content-Type": f"image/{kind}"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    assert words in answer.json()["error"]["message"]


def test_a_row_of_nonsense_leaves_the_rows_of_others_alone(http: httpx.Client, tiny: Any) -> None:
    good = np.full((1, 4, 4), 7.0)
    refused(http.post("/v1/embed", content=npy(good * np.nan), headers=NPY), 422, "invalid_value", "x")
    answer = http.post("/v1/embed", content=npy(good), headers=NPY)
    assert np.allclose(answer.json()["z"], tiny.encode(good), atol=1e-4)
