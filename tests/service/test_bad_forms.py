"""What a client may get wrong in a form, in base64 and in data URIs: each names the field, what came, what should."""

from __future__ import annotations

import asyncio
import base64
import io
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from service.errors import TooLargeError
from service.formats import multipart
from service.formats.expected import Expected
from service.formats.request import read_rows
from service.release.manifest import Input
from tests.service.refusals import refused
from tests.service.test_every_format import NPY, PIXELS, PNGS, URIS, in_base64, npy, png

FORM = "multipart/form-data; boundary=b"
FILE = b'--b\r\nContent-Disposition: form-data; name="x"; filename="a"\r\n\r\n' + npy(PIXELS) + b"\r\n"
ROWS = ("x", ("rows.npy", npy(PIXELS), NPY))


@pytest.fixture(params=["/v1/embed", "/embed", "/v1/neighbors"])
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def bomb() -> bytes:
    """A PNG that says it is 60,000 × 60,000, and has nothing of it."""
    whole = bytearray(png(PIXELS[0]))
    whole[16:24] = (60_000).to_bytes(4, "big") * 2
    whole[29:33] = zlib.crc32(whole[12:29]).to_bytes(4, "big")
    return bytes(whole)


@pytest.mark.parametrize(
    ("body", "kind", "status", "field", "words"),
    [
        (FILE + b"--b--\r\n", "multipart/form-data", 400, "Content-Type", "a boundary expected"),
        (FILE + b"--b--\r\n", "multipart/form-data; boundary=" + "b" * 300, 400, "body", "oundary"),
        (FILE + b"--b--\r\n", "multipart/form-data; boundary=c", 400, "body", "not multipart/form-data"),
        (FILE, FORM, 400, "body", "ends before its last boundary"),
        (FILE[:-40], FORM, 400, "body", "ends before its last boundary"),
        (b"", FORM, 400, "body", "ends before its last boundary"),
        (b"--b--\r\n", FORM, 422, "x", "x: missing"),
        (b"--b\r\n\r\n1\r\n--b--\r\n", FORM, 400, "body", "part 1 has no name"),
        (b"--b\r\n" + b"A: b\r\n" * 20 + b"\r\n1\r\n--b--\r\n", FORM, 400, "body", "not multipart/form-data"),
        (b"--b\r\nA: " + b"b" * 9000 + b"\r\n\r\n1\r\n--b--\r\n", FORM, 400, "body", "not multipart/form-data"),
        (FILE * 400 + b"--b--\r\n", FORM, 413, "body", "parts came in one request"),
        (FILE * 2 + b"--b--\r\n", FORM, 422, "x", "2 npy came, at most one expected"),
    ],
)
def test_a_form_that_is_none_is_refused(
    http: httpx.Client, path: str, body: bytes, kind: str, status: int, field: str, words: str
) -> None:
    answer = http.post(path, content=body[:190_000], headers={"Content-Type": kind})
    refused(answer, status, {400: "malformed", 413: "too_large", 422: "invalid_value"}[status], field, words)


@pytest.mark.parametrize(
    ("files", "data", "status", "field", "words"),
    [
        ([ROWS], {"colour": "red"}, 422, "colour", "unknown field; known are: x, "),
        ([ROWS], {"space": ["a", "a"]}, 422, "space", "came twice, once expected"),
        ([ROWS], {"space": b"\xff"}, 400, "space", "not UTF-8 text"),
        ([ROWS], {"space": "a" * 1001}, 422, "space", "more than 1,000 bytes"),
        ([ROWS], {"space": "elsewhere"}, 409, "space", "elsewhere came"),
        ([("x", ("a.csv", b"1,2", "text/csv"))], {}, 415, "x", "x[0]: text/csv came, application/x-npy or image/png"),
        ([("x", (None, b"[[1]]"))], {}, 415, "x", "x[0]: no type, and none that its first bytes tell, came"),
        ([*PNGS, ("x", ("b.png", b"PNG", "image/png"))], {}, 400, "x", "x[2]: not a PNG image"),
        (
            [*PNGS, ("x", ("b.png", bomb(), "image/png"))],
            {},
            422,
            "x",
            "x[2]: an image of far too many pixels came, 4 × 4",
        ),
        ([PNGS[0], ("x", ("b", npy(np.zeros((1, 16))), NPY))], {}, 422, "x", "x[1]: shape (1, 16) came, (batch, 4, 4)"),
        ([PNGS[0], ("x", ("b", npy(np.zeros((1, 4, 4)))[:-1], NPY))], {}, 400, "body", "127 came"),
        ([("x", ("b", npy(np.full((1, 4, 4), np.inf)), NPY))], {}, 422, "x", "x[0][0][0]: inf came"),
        ([PNGS[0]] * 257, {}, 413, "x", "257 rows came, at most 256"),
    ],
)
def test_a_part_that_does_not_fit_is_named(
    http: httpx.Client, path: str, files: list[Any], data: dict[str, Any], status: int, field: str, words: str
) -> None:
    codes = {400: "malformed", 409: "wrong_space", 413: "too_large", 415: "unsupported_type", 422: "invalid_value"}
    refused(http.post(path, files=files, data=data), status, codes[status], field, words)


def test_beside_a_form_the_query_string_says_nothing(http: httpx.Client, path: str) -> None:
    answer = http.post(f"{path}?space=space-of-first", files=[ROWS])
    refused(answer, 422, "invalid_value", "space", "unknown field; known are: none here")


def test_codes_are_no_images_and_come_under_one_name(http: httpx.Client) -> None:
    picture, codes = ("z", ("a.png", png(PIXELS[0]), "image/png")), ("z", ("z.npy", npy(np.zeros((1, 2))), NPY))
    answer = http.post("/v1/generate", files=[picture])
    refused(answer, 415, "unsupported_type", "z", "z[0]: image/png came, application/x-npy expected")
    answer = http.post("/v1/neighbors", files=[ROWS, codes])
    refused(answer, 422, "invalid_value", "z", "x and z came, one of them expected")
    answer = http.post("/v1/generate", json={"z": URIS})
    refused(answer, 422, "invalid_value", "z", "z[0]: a string came, a number expected")


GOOD = in_base64(PIXELS.astype(np.float32))


@pytest.mark.parametrize(
    ("changed", "status", "words"),
    [
        ({"shape": None}, 422, "x.shape: nothing came"),
        ({"shape": "2"}, 422, "x.shape: a string came"),
        ({"shape": []}, 422, "x.shape: an array came, an array of 1 to 8 whole numbers"),
        ({"shape": [2, -4, 4]}, 422, "x.shape"),
        ({"shape": [2.0, 4, 4]}, 422, "x.shape"),
        ({"shape": [True, 4, 4]}, 422, "x.shape"),
        ({"shape": [2, 4, 5]}, 400, "172 characters came, 216 expected of 160 bytes, float32 [2, 4, 5]"),
        ({"shape": [2, 16]}, 422, "shape (2, 16) came, (batch, 4, 4) expected"),
        ({"shape": [300, 4, 4]}, 413, "300 rows came, at most 256"),
        ({"shape": [0, 4, 4], "base64": ""}, 422, "an empty batch came"),
        ({"shape": [2**62, 2**62, 0], "base64": ""}, 413, "rows came"),
        ({"shape": [0, 2**62, 2**62], "base64": ""}, 422, "an empty batch came"),
        ({"dtype": "object"}, 422, "x.dtype: object came, one of float32"),
        ({"dtype": ">f4"}, 422, "x.dtype: >f4 came"),
        ({"dtype": 4}, 422, "x.dtype: a number came"),
        ({"dtype": "float64"}, 400, "172 characters came, 344 expected"),
        ({"base64": 1}, 422, "x.base64: a number came, text expected"),
        ({"base64": "*" * 172}, 400, "x.base64: not base64"),
        ({"base64": GOOD["base64"][:-2] + "AA"}, 400, "x.base64: 129 bytes came, 128 expected"),
        ({"order": "F"}, 422, "x.order: unknown; known are: base64, shape, dtype"),
        ({"base64": base64.b64encode(np.full(32, np.nan, "<f4").tobytes()).decode()}, 422, "x[0][0][0]: nan came"),
    ],
)
def test_an_array_in_base64_that_does_not_fit_is_named(
    http: httpx.Client, path: str, changed: dict[str, Any], status: int, words: str
) -> None:
    array = {name: value for name, value in (GOOD | changed).items() if value is not None}
    code = {400: "malformed", 413: "too_large", 422: "invalid_value"}[status]
    refused(http.post(path, json={"x": array}), status, code, "x", words)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["https://example.org/a.png"], "x[0]: a URL came, and none is ever fetched"),
        (["file:///etc/passwd"], "x[0]: text came; data:image/png;base64,... or numbers expected"),
        ([URIS[0], "data:text/html;base64,AAAA"], "x[1]: data:text/html;base64 came, image/png or"),
        ([URIS[0], PIXELS[0].tolist()], "x[1]: no text came, a data URI expected as in x[0]"),
        ([PIXELS[0].tolist(), URIS[0]], "x[1]: a string came, a number expected"),
        (
            [URIS[0], f"data:image/png;base64,{base64.b64encode(bomb()).decode()}"],
            "x[1]: an image of far too many pixels",
        ),
    ],
)
def test_text_that_is_no_image_of_the_right_size_is_named(
    http: httpx.Client, path: str, rows: list[Any], words: str
) -> None:
    refused(http.post(path, json={"x": rows}), 422, "invalid_value", "x", words)


def test_images_that_are_too_much_to_unpack_are_refused_before_one_is() -> None:
    """A large black image is a small file: of these, none can be unpacked at all."""
    described = Input(kind="image", shape=(1000, 1000, 3), stored_dtype="uint8", minimum=0, maximum=255)
    expected = Expected("x", (), max_rows=100, max_values=7_000_000, images_as=described)
    part = multipart.Part("x", "image/png", b"no image")
    with pytest.raises(TooLargeError, match="3 images of 9,000,000 values in all came, at most 7,000,000"):
        read_rows((part,) * 3, FORM, {}, expected)
    body = b'{"x": ["data:image/png;base64,AAAA", "data:,", "data:,"]}'
    with pytest.raises(TooLargeError, match="3 images of 9,000,000 values"):
        read_rows(body, "application/json", {}, expected)
    small = expected._replace(max_values=1_000_000)
    with pytest.raises(TooLargeError, match="1 images of 3,000,000 values"):
        read_rows(b"no image", "image/png", {}, small)


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_a_form_is_read_alike_however_it_is_cut(size: int) -> None:
    picture = io.BytesIO()
    Image.fromarray(PIXELS[0]).save(picture, "WEBP")
    end = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n' + picture.getvalue() + b"\r\n--b--\r\nbehind it"

    async def cut() -> AsyncIterator[bytes]:
        body = FILE + end
        for start in range(0, len(body), size):
            yield body[start : start + size]

    first, second = asyncio.run(multipart.receive(cut(), FORM, 2))
    assert (first.name, first.content, first.media_type) == ("x", npy(PIXELS), NPY)
    assert (second.content, second.media_type) == (picture.getvalue(), "image/webp")
