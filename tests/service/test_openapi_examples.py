"""Every example of the OpenAPI document, in every media type, is sent to the server that gave the document."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx
import jsonschema
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR
from starlette.testclient import TestClient

from service.app import create_app
from service.metrics import Metrics
from service.openapi.document import openapi_document
from service.operations import Worker
from service.release.home import Home
from service.settings import Settings
from tests.service.tiny import every_method


class Sent(NamedTuple):
    """One request that the document gives as an example, and what it says of the answer."""

    method: str
    url: str
    headers: dict[str, str]
    content: bytes | None
    json: Any
    responses: dict[str, Any]

    def to(self, http: Any, accept: str | None = None) -> httpx.Response:
        headers = self.headers | ({} if accept is None else {"Accept": accept})
        answer: httpx.Response = http.request(
            self.method, self.url, headers=headers, content=self.content, json=self.json
        )
        return answer


@pytest.fixture(scope="module")
def document(server: Any) -> Any:
    return httpx.get(f"{server.url}/openapi.json").json()


def resolved(document: Any, part: Any) -> Any:
    while "$ref" in part:
        reference = part["$ref"].removeprefix("#/")
        part = document
        for name in reference.split("/"):
            part = part[name]
    return part


def operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def examples_of(document: Any, described: Any) -> dict[str, Any]:
    named = {name: resolved(document, example) for name, example in described.get("examples", {}).items()}
    return named | ({"": {"value": described["example"]}} if "example" in described else {})


def requests(document: Any, method: str, path: str, operation: Any) -> Iterator[tuple[str, Sent]]:
    """One for each example of each body; a GET has one."""
    bodies = operation.get("requestBody", {}).get("content", {None: {"example": None}})
    for media_type, described in bodies.items():
        named = examples_of(document, described)
        assert named, (path, media_type, "has no example")
        for name, example in named.items():
            url, headers = path, {}
            for parameter in operation.get("parameters", []):
                given = examples_of(document, parameter)
                if parameter["in"] == "path":
                    url = url.replace("{" + parameter["name"] + "}", given[""]["value"])
                elif name in given:
                    headers[parameter["name"]] = str(given[name]["value"])
            content, body = None, example.get("value")
            if "externalValue" in example:
                said, _, text = example["externalValue"].removeprefix("data:").partition(";base64,")
                assert said.startswith(media_type)
                content, headers["Content-Type"] = base64.b64decode(text, validate=True), said
            yield (
                f"{method} {path} {media_type} {name}",
                Sent(method, url, headers, content, body, operation["responses"]),
            )


def all_requests(document: Any) -> dict[str, Sent]:
    return {
        name: sent
        for method, path, operation in operations(document)
        for name, sent in requests(document, method, path, operation)
    }


def test_every_example_is_answered_as_the_document_says(http: httpx.Client, document: Any) -> None:
    sent = all_requests(document)
    # Each kind of body there is.
    for kind in ("application/json", "application/x-npy", "multipart/form-data", "image/png", "image/jpeg", "octet"):
        assert any(kind in name for name in sent)
    for name, request in sent.items():
        answer = request.to(http)
        assert answer.status_code == 200, (name, answer.text)
        content = request.responses["200"].get("content")
        kind = answer.headers.get("Content-Type", "").partition(";")[0]
        assert kind in content if content else not answer.content, (name, kind)
        if kind == "application/json":
            schema = content[kind]["schema"] | {"components": document["components"]}
            jsonschema.validate(answer.json(), schema, cls=jsonschema.Draft202012Validator)


def test_every_media_type_of_an_answer_can_be_had(http: httpx.Client, document: Any) -> None:
    asked = 0
    for name, request in all_requests(document).items():
        # What says how its JSON is to be written is asked for as JSON above.
        if (isinstance(request.json, dict) and "encoding" in request.json) or "/v2" in name:
            continue
        for kind in request.responses["200"].get("content", {}):
            answer = request.to(http, accept=kind)
            assert answer.status_code == 200, (name, kind, answer.text)
            assert answer.headers["Content-Type"].partition(";")[0] == kind, (name, kind)
            asked += 1
    assert asked > 50


def test_a_body_that_is_none_is_answered_by_an_error_that_the_document_lists(http: httpx.Client, document: Any) -> None:
    for method, path, operation in operations(document):
        for _, request in requests(document, method, path, operation):
            if request.content is None and request.json is None:
                continue
            for kind, content in (("text/csv", b"1,2"), ("application/json", b"{"), ("application/json", b'{"a":1}')):
                answer = http.request(request.method, request.url, content=content, headers={"Content-Type": kind})
                if answer.status_code == 200:
                    # The protocol's index takes anything.
                    assert path == "/v2/repository/index"
                    continue
                listed = resolved(document, operation["responses"][str(answer.status_code)])
                schema = listed["content"]["application/json"]["schema"] | {"components": document["components"]}
                jsonschema.validate(answer.json(), schema, cls=jsonschema.Draft202012Validator)
            break


# A table; in colour; with opacity; and more numbers than a document should hold.
@pytest.mark.parametrize("shape", [(6,), (3, 5, 3), (3, 5, 4), (3, 5, 2), (40, 40), (1500,)])
def test_the_examples_are_those_of_the_release_that_is_live(
    home: Home, publish: Callable[..., Any], make_champion: Callable[[Home, str], None], shape: tuple[int, ...]
) -> None:
    publish(home, "live", shape=shape, classifier=True, sampling=every_method())
    make_champion(home, "live")
    worker = Worker.create(Settings(home=home.root, max_rows=64), Metrics())
    app = create_app()
    app.state.worker = worker
    worker.champion.look()
    try:
        http = TestClient(app)
        document = http.get("/openapi.json").json()
        assert not list(OPENAPI_31_VALIDATOR.iter_errors(document))
        sent = {name: each for name, each in all_requests(document).items() if each.url.startswith(("/v1", "/v2"))}
        assert len(sent) > 30
        assert any("image/webp" in name for name in sent) == (shape[2:] in ((3,), (4,)))
        for name, request in sent.items():
            answer = request.to(http)
            assert answer.status_code == 200, (name, answer.text)
    finally:
        worker.batcher.close()


def test_the_document_is_valid_whether_or_not_a_release_is_live(document: Any) -> None:
    assert not list(OPENAPI_31_VALIDATOR.iter_errors(document))
    assert not list(OPENAPI_31_VALIDATOR.iter_errors(openapi_document(None)))
