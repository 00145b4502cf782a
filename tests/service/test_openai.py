"""OpenAI's own client against `/v1/embeddings`: a `bentoml serve` process, and nothing that we wrote in between."""

from __future__ import annotations

import asyncio
import base64
import io
import shutil
import struct
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import httpx2
import numpy as np
import onnx
import openai
import pytest
from onnx import TensorProto, helper

from service.app import create_app
from service.metrics import Metrics
from service.operations import Worker
from service.release.home import Home
from service.release.integrity import verify_release
from service.release.manifest import Code, CodeLayer
from service.release.store import ReleaseStore
from service.settings import Settings
from tests.service.openai_rows import PIXELS, ROW, data_uri


@pytest.fixture(scope="module")
def client(server: Any) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def embedded(http: httpx.Client, rows: Any, **options: Any) -> Any:
    """What `/v1/embed` answers, as float32."""
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(rows), allow_pickle=False)
    headers = {"Content-Type": "application/x-npy", "Accept": "application/x-npy"}
    answer = http.post("/v1/embed", params=options, content=buffer.getvalue(), headers=headers)
    return np.load(io.BytesIO(answer.content), allow_pickle=False)


def vectors(answer: Any) -> Any:
    assert [item.index for item in answer.data] == list(range(len(answer.data)))
    # Numbers in JSON have as many digits as a float32 needs: to be read as one, they must be taken for one.
    return np.array([item.embedding for item in answer.data], np.float32)


@pytest.mark.parametrize("options", [{}, {"encoding_format": "float"}], ids=["base64", "float"])
@pytest.mark.parametrize(
    ("given", "rows"),
    [
        (ROW, PIXELS[:1]),
        ([ROW], PIXELS[:1]),
        (PIXELS.tolist(), PIXELS),
        ((PIXELS / 7).tolist(), PIXELS / 7),
        (data_uri(PIXELS[1]), PIXELS[1:2]),
        ([data_uri(row) for row in PIXELS], PIXELS),
    ],
    ids=["row", "list of one row", "rows", "fractions", "image", "images"],
)
def test_what_the_client_gets_is_bit_for_bit_what_embed_answers(
    client: openai.OpenAI, http: httpx.Client, given: Any, rows: Any, options: Any
) -> None:
    answer = client.embeddings.create(model="champion", input=given, **options)
    expected = embedded(http, rows)
    assert expected.shape == (len(rows), 2)
    assert np.array_equal(vectors(answer), expected)


def test_vectors_come_with_their_space_and_no_tokens_are_made_up(client: openai.OpenAI) -> None:
    raw = client.embeddings.with_raw_response.create(model="champion", input=PIXELS.tolist(), user="somebody")
    answer = raw.parse()
    extra = answer.model_extra or {}
    assert (answer.object, answer.data[0].object) == ("list", "embedding")
    assert answer.model == extra["release"] == raw.headers["X-Manifold-Release"] == "first"
    assert extra["space"] == raw.headers["X-Manifold-Space"] == "space-of-first"
    assert extra["depth"] == 2
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (0, 0)
    assert answer.usage.model_extra == {"rows": 3}


def test_base64_is_little_endian_float32(client: openai.OpenAI, http: httpx.Client) -> None:
    answer = client.embeddings.create(model="champion", input=[ROW], encoding_format="base64")
    (written,) = (item.embedding for item in answer.data)
    assert struct.unpack("<2f", base64.b64decode(str(written), validate=True)) == tuple(embedded(http, [ROW])[0])


def test_the_names_that_models_lists_are_the_names_that_answer(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert names == ["first", "autoencoder", "champion"]
    created = {model.created for model in client.models.list()}
    # 2026-01-01, as the manifest says.
    assert created == {1767225600}
    answers = [client.embeddings.create(model=name, input=[ROW]) for name in names]
    assert {answer.model for answer in answers} == {"first"}


def test_dimensions_choose_the_layer_of_that_width(client: openai.OpenAI, http: httpx.Client) -> None:
    inner = client.embeddings.create(model="champion", input=PIXELS.tolist(), dimensions=3)
    assert np.array_equal(vectors(inner), embedded(http, PIXELS, depth=1))
    assert inner.model_extra == {"space": "space-of-first/depth-1", "release": "first", "depth": 1}
    whole = client.embeddings.create(model="champion", input=PIXELS.tolist(), dimensions=2)
    assert np.array_equal(vectors(whole), embedded(http, PIXELS))
    assert (whole.model_extra or {})["space"] == "space-of-first"
    pinned = {"space": "space-of-first/depth-1", "depth": 1}
    again = client.embeddings.create(model="champion", input=PIXELS.tolist(), dimensions=3, extra_body=pinned)
    assert np.array_equal(vectors(again), vectors(inner))


def test_optional_fields_may_be_null(http: httpx.Client) -> None:
    nothing = dict.fromkeys(("encoding_format", "dimensions", "user", "depth", "space"))
    answer = http.post("/v1/embeddings", json={"model": "first", "input": [ROW], **nothing})
    assert answer.json()["data"][0]["embedding"] == http.post("/v1/embed", json={"x": [ROW]}).json()["z"][0]


def with_a_second_layer_of_width_3(home: Home, publish: Callable[..., Any], shape: tuple[int, ...]) -> Any:
    """Publish `equal`: the codes are (3, 3, 2) wide, the second is the first's negative."""
    tiny = publish(home, "plain", shape=shape)
    plain = home.store / "plain"
    encoder = onnx.load(plain / "encoder.onnx")
    encoder.graph.node.append(helper.make_node("Neg", ["code_1"], ["code_2"]))
    encoder.graph.output.append(helper.make_tensor_value_info("code_2", TensorProto.FLOAT, ["batch", 3]))
    layers = tuple(CodeLayer(name=f"layer_{at}", kind="dense", width=width) for at, width in enumerate((3, 3, 2), 1))
    store = ReleaseStore(home)
    with store.draft() as draft:
        shutil.copytree(plain, draft, dirs_exist_ok=True, ignore=shutil.ignore_patterns("manifest.*", "model.yaml"))
        onnx.save(encoder, draft / "encoder.onnx")
        changes = {"version": "equal", "code": Code(size=2, layers=layers), "files": {}}
        store.publish(draft, verify_release(plain).model_copy(update=changes))
    return tiny


def test_rows_of_a_table_and_layers_of_one_width(
    home: Home, publish: Callable[..., Any], make_champion: Callable[[Home, str], None]
) -> None:
    """By the asynchronous client; a row may be longer than a request may have rows."""
    tiny = with_a_second_layer_of_width_3(home, publish, shape=(6,))
    make_champion(home, "plain")
    make_champion(home, "equal")
    worker = Worker.create(Settings(home=home.root, max_rows=5), Metrics())
    app = create_app()
    app.state.worker = worker
    worker.champion.look()
    rows = np.random.default_rng(3).normal(size=(4, 6)).astype(np.float32)

    async def story() -> None:
        http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app))
        async with openai.AsyncOpenAI(base_url="http://service/v1", api_key="none", http_client=http) as client:

            async def ask(rows: Any, **options: Any) -> Any:
                return await client.embeddings.create(model="autoencoder", input=rows.tolist(), **options)

            assert np.allclose(vectors(await ask(rows[0])), tiny.encode(rows[:1]), atol=1e-4)
            assert np.allclose(vectors(await ask(rows)), tiny.encode(rows), atol=1e-4)
            deepest = await ask(rows, dimensions=3)
            assert np.allclose(vectors(deepest), -tiny.inner_code(rows), atol=1e-4)
            assert deepest.model_extra["depth"] == 2
            other = await ask(rows, dimensions=3, extra_body={"depth": 1})
            assert np.allclose(vectors(other), tiny.inner_code(rows), atol=1e-4)
            assert other.model_extra["space"] == "space-of-plain/depth-1"
            with pytest.raises(openai.UnprocessableEntityError, match="5 came, 3 or 2 expected"):
                await ask(rows, dimensions=5)
            with pytest.raises(openai.UnprocessableEntityError, match=r"shape \(5,\) came, \(6,\) for one row or"):
                await ask(rows[0, :5])
            with pytest.raises(openai.UnprocessableEntityError, match="vectors of 6 values"):
                await client.embeddings.create(model="equal", input=data_uri(PIXELS[0]))
            with pytest.raises(openai.NotFoundError, match="equal or autoencoder or champion expected"):
                await client.embeddings.create(model="previous", input=rows[0].tolist())
            # The example of a table's release runs as that of images does.
            document = (await http.get("http://service/openapi.json")).json()
            content = document["paths"]["/v1/embeddings"]["post"]["requestBody"]["content"]
            assert len(content["application/json"]["example"]["input"]) == 6
            await client.embeddings.create(**content["application/json"]["example"])

    try:
        asyncio.run(story())
    finally:
        worker.batcher.close()
