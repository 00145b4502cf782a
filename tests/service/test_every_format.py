"""What can be sent to every route that takes rows, and how its answers can be had: one core, whatever the format."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.service.tiny import Tiny

NPY = "application/x-npy"
PIXELS = np.random.default_rng(5).integers(0, 256, (2, 4, 4)).astype(np.uint8)
CODES = np.random.default_rng(6).normal(size=(2, 2)).astype(np.float32)
OF_ROWS = ("/v1/embed", "/v1/classify", "/v1/reconstruct", "/v1/score", "/v1/neighbors", "/v1/interpolate", "/embed")
OF_CODES = ("/v1/generate", "/v1/neighbors", "/v1/interpolate", "/generate")


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def array_of(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return np.load(io.BytesIO(answer.content), allow_pickle=False)


def png(pixels: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def in_base64(array: Any) -> dict[str, Any]:
    text = base64.b64encode(array.tobytes()).decode()
    return {"base64": text, "shape": list(array.shape), "dtype": array.dtype.name}


def from_base64(value: Any) -> Any:
    assert value["dtype"] == "float32"
    return np.frombuffer(base64.b64decode(value["base64"]), "<f4").reshape(value["shape"])


URIS = [f"data:image/png;base64,{base64.b64encode(png(row)).decode()}" for row in PIXELS]
PNGS = [("x", ("a.png", png(row), "image/png")) for row in PIXELS]
# As curl sends files of endings that it does not know.
UNNAMED = [("x", ("rows", content, "application/octet-stream")) for content in (npy(PIXELS[:1]), png(PIXELS[1]))]
WAYS: dict[str, dict[str, Any]] = {
    "numbers": {"json": {"x": PIXELS.tolist()}},
    "halves": {"json": {"x": (PIXELS / 1.0).tolist()}},
    "data URIs": {"json": {"x": URIS}},
    "base64 of float32": {"json": {"x": in_base64(PIXELS.astype(np.float32))}},
    "base64 of bytes": {"json": {"x": in_base64(PIXELS)}},
    "base64 with the dtype left out": {
        "json": {"x": {key: value for key, value in in_base64(PIXELS.astype("<f4")).items() if key != "dtype"}}
    },
    "a form of images": {"files": PNGS},
    "a form of an npy": {"files": [("x", ("rows.npy", npy(PIXELS), NPY))]},
    "a form of an npy and an image without types": {"files": UNNAMED},
}


@pytest.mark.parametrize("path", OF_ROWS)
@pytest.mark.parametrize("way", WAYS)
def test_rows_are_the_same_rows_in_whatever_form_they_come(http: httpx.Client, path: str, way: str) -> None:
    expected = http.post(path, content=npy(PIXELS), headers={"Content-Type": NPY, "Accept": NPY})
    found = http.post(path, headers={"Accept": NPY}, **WAYS[way])
    assert array_of(found).dtype == np.float32
    assert np.array_equal(array_of(found), array_of(expected))


@pytest.mark.parametrize("path", OF_CODES)
def test_codes_come_as_base64_and_in_forms_too(http: httpx.Client, path: str) -> None:
    expected = http.post(path, json={"z": CODES.tolist()}, headers={"Accept": NPY})
    ways: list[dict[str, Any]] = [{"json": {"z": in_base64(CODES)}}, {"files": [("z", ("z.npy", npy(CODES), NPY))]}]
    for way in ways:
        assert np.array_equal(array_of(http.post(path, headers={"Accept": NPY}, **way)), array_of(expected))


def test_a_form_has_its_options_as_fields(http: httpx.Client) -> None:
    options = {"depth": "1", "space": "space-of-first/depth-1", "encoding": "base64"}
    answer = http.post("/v1/embed", files=PNGS, data=options)
    expected = http.post("/v1/embed?depth=1", content=npy(PIXELS), headers={"Content-Type": NPY, "Accept": NPY})
    assert np.array_equal(from_base64(answer.json()["z"]), array_of(expected))


@pytest.mark.parametrize(
    ("path", "body", "names"),
    [
        ("/v1/embed", {"x": PIXELS.tolist()}, ["z"]),
        ("/embed", {"x": PIXELS.tolist()}, ["z"]),
        ("/v1/classify", {"x": PIXELS.tolist()}, ["p"]),
        ("/v1/reconstruct", {"x": PIXELS.tolist()}, ["x"]),
        ("/v1/generate", {"z": CODES.tolist()}, ["x"]),
        ("/v1/sample", {"count": 3}, ["x", "z"]),
        (
            "/v1/score",
            {"x": PIXELS.tolist()},
            ["reconstruction_error", "reconstruction_p", "latent_distance", "latent_p"],
        ),
        ("/v1/neighbors", {"x": PIXELS.tolist(), "k": 3}, ["distance", "map"]),
        ("/v1/interpolate", {"z": CODES.tolist(), "steps": 3}, ["x", "z"]),
    ],
)
def test_base64_is_the_numbers_of_the_same_answer(
    http: httpx.Client, path: str, body: dict[str, Any], names: list[str]
) -> None:
    numbers = http.post(path, json=body).json()
    answer = http.post(path, json=body | {"encoding": "base64"}).json()
    assert answer.keys() == numbers.keys()
    for name in names:
        assert np.array_equal(from_base64(answer[name]), np.asarray(numbers[name], np.float32)), name
    for name in numbers.keys() - set(names):
        assert answer[name] == numbers[name], name


def test_what_a_route_answers_another_takes_as_it_is(http: httpx.Client) -> None:
    embedded = http.post("/v1/embed", json={"x": PIXELS.tolist(), "encoding": "base64"}).json()
    back = http.post("/v1/generate", json={"z": embedded["z"], "space": embedded["space"]}).json()
    expected = http.post("/v1/reconstruct", json={"x": PIXELS.tolist()}).json()
    assert np.allclose(back["x"], expected["x"], rtol=1e-6)


def test_int8_codes_are_undone_to_within_half_a_step(http: httpx.Client, tiny: Tiny) -> None:
    rows = np.random.default_rng(7).uniform(0, 12, (40, 4, 4)).astype(np.float32)
    exact = tiny.encode(rows).astype(np.float64)
    answer = http.post("/v1/embed", json={"x": rows.tolist(), "encoding": "int8"}).json()
    latent = http.get("/v1/models/champion").json()["manifest"]["latent"]
    scale, offset, codes = (np.asarray(answer[name]) for name in ("scale", "offset", "z"))
    assert answer["encoding"] == "int8"
    assert np.allclose(scale, (np.asarray(latent["maximum"]) - latent["minimum"]) / 255)
    assert codes.dtype.kind == "i"
    within = (exact >= latent["minimum"]) & (exact <= latent["maximum"])
    assert within.any()
    assert not within.all()
    undone = codes * scale + offset
    assert (np.abs(undone - exact) <= scale / 2 + 1e-4)[within].all()
    # Beyond what training codes had, the range's end.
    assert np.allclose(undone[~within], np.clip(exact, latent["minimum"], latent["maximum"])[~within], atol=1e-6)
    headers = {"Content-Type": NPY, "Accept": NPY}
    array = array_of(http.post("/v1/embed?encoding=int8", content=npy(rows), headers=headers))
    assert array.dtype == np.int8
    assert np.array_equal(array, codes)


def test_binary_codes_are_the_signs_about_the_mean_packed(http: httpx.Client, tiny: Tiny) -> None:
    rows = np.random.default_rng(8).uniform(0, 255, (40, 4, 4)).astype(np.float32)
    answer = http.post("/v1/embed", json={"x": rows.tolist(), "encoding": "binary"}).json()
    mean = np.asarray(http.get("/v1/models/champion").json()["manifest"]["latent"]["mean"])
    assert (answer["encoding"], answer["bits"], answer["threshold"]) == ("binary", 2, mean.tolist())
    expected = np.packbits(tiny.encode(rows) > mean, axis=1)
    assert len(np.unique(expected)) > 1
    assert np.array_equal(answer["z"], expected)
    files = [("x", ("rows.npy", npy(rows), NPY))]
    array = array_of(http.post("/v1/embed", headers={"Accept": NPY}, files=files, data={"encoding": "binary"}))
    assert array.dtype == np.uint8
    assert np.array_equal(array, expected)


@pytest.mark.parametrize(
    ("path", "options", "accept", "words"),
    [
        ("/v1/embed", {"encoding": "base64"}, NPY, "base64 came, which is of application/json, and Accept: applica"),
        ("/v1/embed", {"encoding": "int8"}, "image/png", None),
        ("/v1/reconstruct", {"encoding": "base64"}, "image/png", "leaves none of that"),
        ("/v1/embed", {"encoding": "int8", "depth": 1}, "*/*", "int8 came with depth 1"),
        ("/v1/embed", {"encoding": "binary", "depth": 1}, "*/*", "leave depth out"),
        ("/v1/embed", {"encoding": "int4"}, "*/*", "'int4' came, float or base64 or int8 or binary expected"),
        ("/v1/embed", {"encoding": ["int8"]}, "*/*", "an array came"),
        ("/v1/embed", {"encoding": True}, "*/*", "a boolean came"),
        ("/v1/classify", {"encoding": "int8"}, "*/*", "'int8' came, float or base64 expected"),
        ("/v1/score", {"encoding": "binary"}, "*/*", "float or base64 expected"),
    ],
)
def test_an_encoding_that_cannot_be_is_refused(
    http: httpx.Client, path: str, options: dict[str, Any], accept: str, words: str | None
) -> None:
    answer = http.post(path, json={"x": PIXELS.tolist(), **options}, headers={"Accept": accept})
    error = answer.json()["error"]
    if words is None:
        assert (answer.status_code, error["field"]) == (415, "Accept")
        return
    assert (answer.status_code, error["code"], error["field"]) == (422, "invalid_value", "encoding"), error
    assert words in error["message"]


def test_an_encoding_takes_the_media_type_that_it_can_have_though_another_is_liked_better(http: httpx.Client) -> None:
    headers = {"Accept": f"{NPY}, application/json;q=0.5"}
    answer = http.post("/v1/embed", json={"x": PIXELS.tolist(), "encoding": "base64"}, headers=headers)
    assert from_base64(json.loads(answer.content)["z"]).shape == (2, 2)
