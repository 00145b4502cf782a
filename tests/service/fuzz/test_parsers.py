"""Whatever bytes come, a parser gives an array or a `RequestError`, soon, and in memory that goes with what came."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.checks import check_finite, check_neighbours, check_rows, check_seed, check_space
from service.errors import RequestError
from service.formats import answer, data_uri, images, json, multipart, npy, open_inference, openai
from service.formats.expected import Expected
from service.formats.request import read_fields, read_rows
from service.release.manifest import Input
from tests.service.fuzz import sent

MAX_ROWS = 256
SECONDS = 2.0
# Of a byte of JSON, `[`, Python makes a list; and numpy may look at it more than once.
BYTES_A_BYTE, BYTES_AT_LEAST = 300, 2_000_000


def told(parse: Callable[[], Any], came: int) -> Any:
    """What parsing gives, or None where it is refused, in one plain line; anything else raised is a failure."""
    tracemalloc.start()
    since, refusal, found = time.monotonic(), "", None
    try:
        found = parse()
    except RequestError as error:
        refusal = error.message
    finally:
        seconds, (_, most) = time.monotonic() - since, tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert "\n" not in refusal
    # A message may hold some of what came, never all of it.
    assert len(refusal) < 1000, refusal
    assert seconds < SECONDS
    assert most < BYTES_AT_LEAST + BYTES_A_BYTE * came, most
    return found


def numbers(array: Any) -> None:
    assert isinstance(array, np.ndarray)
    assert array.dtype.kind in "iuf"


@sent.fuzzed
@given(sent.NPY)
def test_npy(body: bytes) -> None:
    array = told(lambda: npy.read(body, "x"), len(body))
    if array is not None:
        numbers(array)
        told(lambda: check_rows(array, "x", (4, 4), MAX_ROWS), len(body))


@sent.fuzzed
@given(sent.BODIES["application/json"])
def test_json(body: bytes) -> None:
    fields = told(lambda: json.read_object(body), len(body))
    suspicious = json.has_booleans(body)

    def read(value: Any) -> None:
        array = told(lambda: json.read_rows(value, "x", MAX_ROWS, suspicious=suspicious), len(body))
        if array is not None:
            numbers(array)
            told(lambda: check_finite(array, "x"), len(body))

    for value in (fields or {}).values():
        read(value)


@pytest.mark.parametrize("kind", sent.KINDS)
@sent.fuzzed
@given(st.data(), st.sampled_from(sent.DESCRIBED))
def test_images(kind: str, data: st.DataObject, described: Input) -> None:
    body = data.draw(sent.IMAGES[kind])
    array = told(lambda: images.read(body, kind, described, "x"), len(body))
    if array is not None:
        numbers(array)
        assert array.shape == (1, *described.shape)


@sent.fuzzed
@given(sent.data_uris(), st.sampled_from(sent.DESCRIBED))
def test_data_uris(text: str, described: Input) -> None:
    array = told(lambda: data_uri.read(text, described, "input", "input[0]"), len(text))
    if array is not None:
        assert array.shape == (1, *described.shape)


@sent.fuzzed
@given(sent.OPENAI, st.sampled_from(sent.DESCRIBED))
def test_openai_bodies(body: bytes, described: Input) -> None:
    fields = told(lambda: read_fields(body, "application/json", {}, openai.FIELDS), len(body)) or {}
    told(lambda: openai.read_encoding(fields.get("encoding_format")), len(body))
    suspicious, value = json.has_booleans(body), fields.get("input")
    array = told(
        lambda: openai.read_input(value, described, max_rows=MAX_ROWS, max_bytes=10_000, suspicious=suspicious),
        len(body),
    )
    if array is not None:
        numbers(array)


@sent.fuzzed
@given(sent.inference_requests())
def test_inference_requests(request: tuple[bytes, str | None]) -> None:
    body, said = request
    read = told(
        lambda: open_inference.read(
            body, None, said, field="x", outputs=("z", "code_1"), max_rows=MAX_ROWS
        ),
        len(body),
    )  # fmt: skip
    if read is not None:
        numbers(read.rows)
        told(lambda: check_rows(read.rows, "x", (4, 4), MAX_ROWS), len(body))
        told(lambda: check_space(read.space, "space-1"), len(body))
    told(lambda: open_inference.read_ready_only(body), len(body))


@pytest.mark.parametrize("kind", sent.BODIES)
@sent.fuzzed
@given(st.data())
def test_bodies_by_their_content_type(kind: str, data: st.DataObject) -> None:
    body = data.draw(sent.BODIES[kind])
    described = data.draw(st.sampled_from(sent.DESCRIBED))
    query = data.draw(st.dictionaries(st.sampled_from(["depth", "field", "k", "y"]), st.text(max_size=8), max_size=2))
    expected = Expected(
        field="x", or_field="z", options=("depth", "space", "k"), images_as=described, max_rows=MAX_ROWS,
        max_values=10_000,
    )  # fmt: skip

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 7):
            yield body[start : start + 7]

    def parse() -> Any:
        if kind != sent.FORM:
            return read_rows(body, kind, query, expected)
        return read_rows(asyncio.run(multipart.receive(chunks(), kind, 100)), kind, query, expected)

    read = told(parse, len(body))
    if read is not None:
        numbers(read.rows)
        told(lambda: check_rows(read.rows, read.field, described.shape, MAX_ROWS), len(body))
        told(lambda: check_neighbours(read.options.get("k"), 10, 100), len(body))
        told(lambda: check_space(read.options.get("space"), "space-1"), len(body))


@sent.fuzzed
@given(sent.ANY_JSON)
def test_options(value: Any) -> None:
    told(lambda: check_seed(value), 0)
    told(lambda: check_neighbours(value, 10, 100), 0)
    told(lambda: check_space(value, "space-1"), 0)


_PIECES = ["application/json", "*/*", ";q=", "0", ",", "1e999", "nan", ".", "image/png", ";", "²", "-1"]


@sent.fuzzed
@given(
    st.one_of(
        st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=60),
        st.lists(st.sampled_from(_PIECES), max_size=12).map("".join),
    )
)
def test_accept(header: str) -> None:
    offered = answer.offers(None)
    chosen = told(lambda: answer.choose(header, offered), len(header))
    assert chosen is None or chosen in offered
