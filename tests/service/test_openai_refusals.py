"""What OpenAI's own client is told of what cannot be answered; and whatever else may come to `/v1/embeddings`."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.app import create_app
from service.errors import TooLargeError
from service.formats.openai import read_input
from service.metrics import Metrics
from service.operations import Worker
from service.release.home import Home
from service.release.manifest import Input
from service.settings import Settings
from tests.service.openai_rows import PIXELS, ROW, data_uri
from tests.service.refusals import refused
from tests.service.tiny import promote, publish_tiny


@pytest.fixture(scope="module")
def client(server: Any) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.mark.parametrize(
    ("asked", "kind", "code", "words"),
    [
        ({"model": "text-embedding-3-small"}, openai.NotFoundError, "not_found", "first or autoencoder or champion"),
        ({"model": "previous"}, openai.NotFoundError, "not_found", "model: previous came"),
        ({"model": "../first"}, openai.NotFoundError, "not_found", "model: ../first came"),
        ({"model": 1}, openai.UnprocessableEntityError, "invalid_value", "model: 1 came"),
        ({"dimensions": 4}, openai.UnprocessableEntityError, "invalid_value", "4 came, 3 or 2 expected"),
        ({"dimensions": True}, openai.UnprocessableEntityError, "invalid_value", "True came, 3 or 2 expected"),
        ({"dimensions": "3"}, openai.UnprocessableEntityError, "invalid_value", "'3' came, 3 or 2 expected"),
        (
            {"dimensions": 2, "extra_body": {"depth": 1}},
            openai.UnprocessableEntityError,
            "invalid_value",
            "dimensions: 2 came, 3 expected at depth 1",
        ),
        ({"extra_body": {"depth": 3}}, openai.UnprocessableEntityError, "invalid_value", "depth: 3 came"),
        ({"extra_body": {"space": "elsewhere"}}, openai.ConflictError, "wrong_space", "space-of-first"),
        ({"extra_body": {"truncate": 1}}, openai.UnprocessableEntityError, "invalid_value", "truncate: unknown field"),
        ({"extra_query": {"depth": 1}}, openai.UnprocessableEntityError, "invalid_value", "depth: unknown field"),
        ({"encoding_format": "int8"}, openai.UnprocessableEntityError, "invalid_value", "float or base64 expected"),
        ({"user": 1}, openai.UnprocessableEntityError, "invalid_value", "user: 1 came, text expected"),
        ({"input": "the cat"}, openai.UnprocessableEntityError, "invalid_value", "input: text came; data:image/png"),
        ({"input": ""}, openai.UnprocessableEntityError, "invalid_value", "input: text came"),
        ({"input": ["a", "b"]}, openai.UnprocessableEntityError, "invalid_value", "input[0]: text came"),
        (
            {"input": ["https://a.b/c.png"]},
            openai.UnprocessableEntityError,
            "invalid_value",
            "input[0]: a URL came, and none is ever fetched",
        ),
        ({"input": [1, 2, 3]}, openai.UnprocessableEntityError, "invalid_value", "shape (3,) came, (4, 4) for one row"),
        ({"input": list(range(300))}, openai.UnprocessableEntityError, "invalid_value", "shape (300,) came"),
        ({"input": [[1, 2], [3, 4]]}, openai.UnprocessableEntityError, "invalid_value", "or (batch, 4, 4) expected"),
        ({"input": []}, openai.UnprocessableEntityError, "invalid_value", "input: an empty batch"),
        ({"input": [[]]}, openai.UnprocessableEntityError, "invalid_value", "input: an empty batch"),
        ({"input": [[[]]]}, openai.UnprocessableEntityError, "invalid_value", "input: an empty batch"),
        ({"input": None}, openai.UnprocessableEntityError, "invalid_value", "input: null came"),
        ({"input": [[1, True], [2, 3]]}, openai.UnprocessableEntityError, "invalid_value", "input[0][1]: a boolean"),
        ({"input": [ROW, "a"]}, openai.UnprocessableEntityError, "invalid_value", "input[1]: a string came"),
        (
            {"input": [data_uri(PIXELS[0]), ROW]},
            openai.UnprocessableEntityError,
            "invalid_value",
            "input[1]: no text came, a data URI expected",
        ),
        (
            {"input": [[1, 2, 3, 4], [1e39, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4]]},
            openai.UnprocessableEntityError,
            "invalid_value",
            "input[1][0]: 1e+39 came, finite float32 numbers expected",
        ),
        (
            {"input": [data_uri(PIXELS[0]), data_uri(PIXELS[0, :3])]},
            openai.UnprocessableEntityError,
            "invalid_value",
            "input[1]: an image of 4 × 3 came, 4 × 4 expected",
        ),
        (
            {"input": data_uri(PIXELS[0], "GIF")},
            openai.UnprocessableEntityError,
            "invalid_value",
            "data:image/gif;base64 came, image/png or image/jpeg",
        ),
        ({"input": "data:image/png,%89PNG"}, openai.UnprocessableEntityError, "invalid_value", "base64 expected"),
        ({"input": "data:image/png;base64,%%%%"}, openai.BadRequestError, "malformed", "input: not base64"),
        ({"input": "data:image/png;base64,é"}, openai.BadRequestError, "malformed", "input: not base64"),
        (
            {"input": [data_uri(PIXELS[0]), "data:image/png;base64,AAAA"]},
            openai.BadRequestError,
            "malformed",
            "input[1]: not a PNG image",
        ),
    ],
)
def test_what_cannot_be_answered_is_the_clients_own_error_with_our_words(
    client: openai.OpenAI, asked: Any, kind: type[openai.APIStatusError], code: str, words: str
) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.embeddings.create(**({"model": "champion", "input": [ROW]} | asked))
    assert (type(caught.value), caught.value.code) == (kind, code)
    assert words in str(caught.value)
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["field"] in words or caught.value.body["field"] in {*asked, *asked.get("extra_query", {})}


@pytest.mark.parametrize("row", [ROW, data_uri(PIXELS[0])], ids=["numbers", "images"])
def test_too_many_rows_are_refused(client: openai.OpenAI, row: Any) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.embeddings.create(model="champion", input=[row] * 257)
    assert (caught.value.status_code, caught.value.code) == (413, "too_large")
    assert "input: 257 rows came, at most 256" in str(caught.value)


def test_small_files_of_many_pixels_are_refused_before_they_are_unpacked() -> None:
    large = Input(kind="image", shape=(1000, 1000), stored_dtype="uint8", minimum=0, maximum=255)
    # None of them is an image: whoever unpacked one would say so.
    with pytest.raises(TooLargeError, match="65 images of 65,000,000 values"):
        read_input(["nothing"] * 65, large, max_rows=100, max_bytes=64_000_000, suspicious=False)


def test_fields_that_json_cannot_hold_or_that_are_missing_are_named(http: httpx.Client) -> None:
    def post(body: Any, kind: str = "application/json", accept: str = "*/*") -> httpx.Response:
        content = body if isinstance(body, str) else json.dumps(body)
        return http.post("/v1/embeddings", content=content, headers={"Content-Type": kind, "Accept": accept})

    refused(post("{"), 400, "malformed", "body", "not JSON")
    refused(post([1]), 422, "invalid_value", "body", "an array came")
    refused(post({"input": ROW}), 422, "invalid_value", "model", "model: missing", "champion")
    refused(post({"model": "first"}), 422, "invalid_value", "input", "null came")
    refused(post('{"model": "first", "input": [NaN]}'), 422, "invalid_value", "input", "NaN came")
    refused(post('{"model": "first", "input": [1e999]}'), 422, "invalid_value", "input", "1e999 came")
    refused(post('{"model": "first", "input": ' + "[" * 900 + "]" * 900 + "}"), 422, "invalid_value", "input")
    refused(post({}, kind="text/plain"), 415, "unsupported_type", "Content-Type", "application/json")
    refused(post({}, accept="text/csv"), 415, "unsupported_type", "Accept", "text/csv")


WHOLE_URI = data_uri(PIXELS[0])
TEXTS = st.one_of(
    st.text(max_size=20),
    st.binary(max_size=60).map(lambda content: f"data:image/png;base64,{base64.b64encode(content).decode()}"),
    # A good image, cut or with one letter changed.
    st.integers(0, len(WHOLE_URI)).map(lambda end: WHOLE_URI[:end]),
    st.tuples(st.integers(0, len(WHOLE_URI) - 1), st.sampled_from("A+/=,;:%é\x00")).map(
        lambda change: WHOLE_URI[: change[0]] + change[1] + WHOLE_URI[change[0] + 1 :]
    ),
)
NUMBERS = st.one_of(st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), st.booleans())
ANYTHING = st.recursive(
    st.one_of(st.none(), NUMBERS, TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.lists(st.lists(NUMBERS, min_size=4, max_size=4), min_size=4, max_size=4),
        st.dictionaries(st.text(max_size=3), inner, max_size=2),
    ),
)
FIELDS = st.fixed_dictionaries(
    {"model": st.one_of(st.just("champion"), ANYTHING), "input": st.one_of(st.just([ROW]), ANYTHING)},
    optional=dict.fromkeys(("encoding_format", "dimensions", "user", "depth", "space", "truncate"), ANYTHING),
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(value=st.one_of(FIELDS, st.fixed_dictionaries({"model": st.just("first"), "input": ANYTHING})))
def test_whatever_comes_is_answered_or_refused_in_the_one_shape(in_process: Any, value: Any) -> None:
    status, answer = in_process(value)
    if status == 200:
        assert answer["usage"]["rows"] == len(answer["data"]) > 0
    else:
        assert status in (400, 404, 409, 413, 422), answer
        assert set(answer["error"]) == {"code", "message", "field"}


@pytest.fixture(scope="module")
def in_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Any], tuple[int, Any]]]:
    """in_process(fields) -> status and answer of a worker in this process: whatever else it raised would come out."""
    home = Home(tmp_path_factory.mktemp("in_process") / "home")
    publish_tiny(home, "first")
    promote(home, "first")
    worker = Worker.create(Settings(home=home.root), Metrics())
    app = create_app()
    app.state.worker = worker
    worker.champion.look()
    with asyncio.Runner() as runner:
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service")

        def ask(fields: Any) -> tuple[int, Any]:
            headers = {"Content-Type": "application/json"}
            answer = runner.run(client.post("/v1/embeddings", content=json.dumps(fields), headers=headers))
            return answer.status_code, answer.json()

        yield ask
        runner.run(client.aclose())
    worker.batcher.close()
