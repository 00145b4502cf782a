"""Binary tensors of the Open Inference Protocol: what a client gets wrong in them, and any bytes at all."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.checks import check_rows
from service.errors import RequestError
from service.formats.open_inference import LENGTH_HEADER, Read, read

INFER = "/v2/models/encoder/infer"
ROWS = np.arange(32, dtype=np.float32).reshape(2, 4, 4)
TENSOR = {"name": "x", "shape": [2, 4, 4], "datatype": "FP32", "parameters": {"binary_data_size": 128}}


def body(tensor: Any, tail: bytes) -> tuple[bytes, str]:
    """A request, and the length of its JSON."""
    text = json.dumps({"inputs": [tensor]}).encode()
    return text + tail, str(len(text))


def parsed(content: bytes, length: str | None) -> Read:
    return read(content, None, length, field="x", outputs=("z", "code_1"), max_rows=8)


@pytest.mark.parametrize(
    ("changed", "tail", "length", "status", "words"),
    [
        ({}, ROWS.tobytes()[:-1], None, 400, "x: 128 bytes of binary data are stated, 127 came"),
        ({}, ROWS.tobytes() + b"\0", None, 400, "x: 128 bytes of binary data are stated, 129 came"),
        ({"shape": [1, 4, 4]}, ROWS.tobytes(), None, 400, "x: 128 bytes came, 64 of FP32 [1, 4, 4] expected"),
        ({"datatype": "FP64"}, ROWS.tobytes(), None, 400, "x: 128 bytes came, 256 of FP64"),
        ({"datatype": "BF16"}, ROWS.tobytes(), None, 422, "x: datatype BF16 came"),
        ({"shape": [8, 4]}, ROWS.tobytes(), None, 422, "x: shape (8, 4) came, (batch, 4, 4) expected"),
        ({"shape": [2**40, 4, 4]}, ROWS.tobytes(), None, 413, "rows came, at most 256"),
        ({"parameters": {"binary_data_size": "128"}}, ROWS.tobytes(), None, 400, "x: no bytes"),
        ({"parameters": {"binary_data_size": -128}}, ROWS.tobytes(), None, 400, "x: -128 bytes"),
        ({"parameters": {}}, ROWS.tobytes(), None, 422, "x: either data or parameters.binary_data_size"),
        ({"parameters": {}, "data": ROWS.tolist()}, b"\0", None, 400, "x: no bytes of binary data are stated, 1 came"),
        ({"data": ROWS.tolist()}, ROWS.tobytes(), None, 422, "x: either data or parameters.binary_data_size"),
        ({}, np.full_like(ROWS, np.inf).tobytes(), None, 422, "inf came, finite float32 numbers"),
        ({}, ROWS.tobytes(), "", 400, LENGTH_HEADER),
        ({}, ROWS.tobytes(), "-1", 400, LENGTH_HEADER),
        ({}, ROWS.tobytes(), "1e2", 400, LENGTH_HEADER),
        ({}, ROWS.tobytes(), "99999", 400, "99999 came, 0 to"),
        ({}, ROWS.tobytes(), "9" * 5000, 400, LENGTH_HEADER),
        ({}, ROWS.tobytes(), "0", 400, "body: not JSON"),
        ({}, ROWS.tobytes(), "50", 400, "body: not JSON"),
    ],
)
def test_sizes_that_do_not_add_up_are_named(
    http: httpx.Client, changed: dict[str, Any], tail: bytes, length: str | None, status: int, words: str
) -> None:
    content, stated = body(TENSOR | changed, tail)
    answer = http.post(INFER, content=content, headers={LENGTH_HEADER: stated if length is None else length})
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"]
    assert words in answer.json()["error"]


def test_nesting_as_deep_as_json_may_be_is_refused_without_a_traceback(http: httpx.Client) -> None:
    deep = "[" * 950 + "]" * 950
    text = json.dumps({"inputs": [TENSOR | {"parameters": {}, "data": ROWS.tolist()}], "parameters": {"space": 0}})
    for sent in (
        text.replace('"space": 0', f'"space": {deep}'),
        text.replace(json.dumps(ROWS.tolist()), f"[{deep}, 1]"),
    ):
        assert http.post(INFER, content=sent).status_code == 422


@given(
    dtype=st.sampled_from([("FP32", "<f4"), ("FP64", "<f8"), ("UINT8", "u1"), ("INT16", "<i2")]),
    numbers=st.lists(st.integers(0, 255), min_size=1, max_size=8),
    padding=st.integers(0, 9),
)
def test_values_are_read_wherever_the_json_ends(dtype: tuple[str, str], numbers: list[int], padding: int) -> None:
    datatype, code = dtype
    values = np.array(numbers, code)
    tensor = {"name": "x", "shape": [len(numbers), 1], "datatype": datatype, "pad": "." * padding}
    content, length = body(tensor | {"parameters": {"binary_data_size": values.nbytes}}, values.tobytes())
    rows = check_rows(parsed(content, length).rows, "x", (1,), 8)
    assert rows.flags.aligned
    assert rows.tolist() == [[number] for number in numbers]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
SIZES = st.sampled_from([0, 1, 2, 4, 8, 2**31, 2**63, 2**64 - 1])
TENSORS = st.fixed_dictionaries(
    {"name": st.sampled_from(["x", "z", 1]), "shape": st.lists(SIZES, max_size=4) | JSON_VALUES},
    optional={
        "datatype": st.sampled_from(["FP16", "FP32", "FP64", "INT8", "UINT64", "BOOL", "BYTES"]) | JSON_VALUES,
        "data": st.lists(st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False), max_size=8) | JSON_VALUES,
        "parameters": st.fixed_dictionaries({"binary_data_size": SIZES | JSON_VALUES}) | JSON_VALUES,
    },
)
MESSAGES = st.fixed_dictionaries(
    {"inputs": st.lists(TENSORS, max_size=2) | JSON_VALUES},
    optional={"id": JSON_VALUES, "outputs": JSON_VALUES, "parameters": JSON_VALUES},
)


@st.composite
def plausible(draw: st.DrawFn) -> tuple[Any, bytes]:
    """A request whose stated size is that of its bytes, and mostly that of its shape too."""
    shape = draw(st.lists(st.sampled_from([0, 1, 2, 2**63]), min_size=1, max_size=3))
    datatype, size = draw(st.sampled_from([("FP16", 2), ("FP32", 4), ("FP64", 8), ("INT8", 1), ("UINT64", 8)]))
    stated = min(64, math.prod(shape) * size)
    tensor = {"name": "x", "shape": shape, "datatype": datatype, "parameters": {"binary_data_size": stated}}
    return {"inputs": [tensor]}, draw(st.binary(min_size=stated, max_size=stated))


@given(sent=plausible())
@example(sent=({"inputs": [TENSOR | {"shape": [0, 2**63, 2**63], "parameters": {"binary_data_size": 0}}]}, b""))
def test_bytes_of_a_stated_shape_are_rows_or_a_refusal(sent: tuple[Any, bytes]) -> None:
    message, tail = sent
    text = json.dumps(message).encode()
    with contextlib.suppress(RequestError):
        rows = check_rows(parsed(text + tail, str(len(text))).rows, "x", (2,), 8)
        assert rows.shape == (*message["inputs"][0]["shape"][:1], 2)
        assert np.isfinite(rows).all()


@given(message=MESSAGES | JSON_VALUES, tail=st.binary(max_size=64), cut=st.integers(-3, 3), said=st.booleans())
def test_whatever_comes_is_rows_or_a_refusal(message: Any, tail: bytes, cut: int, said: bool) -> None:
    text = json.dumps(message).encode()
    with contextlib.suppress(RequestError):
        asked = parsed(text + tail, str(len(text) + cut) if said else None)
        rows = check_rows(asked.rows, "x", (2,), 8)
        assert rows.dtype == np.float32
        assert np.isfinite(rows).all()


@given(content=st.binary(max_size=200), length=st.none() | st.text(max_size=6) | st.integers(0, 200).map(str))
def test_any_bytes_are_rows_or_a_refusal(content: bytes, length: str | None) -> None:
    with contextlib.suppress(RequestError):
        parsed(content, length)
