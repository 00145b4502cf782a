"""Who is let in, over real HTTP: nobody without a key, each key to what it is for, and no longer than it is good."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import numpy as np
import pytest

from service.client import ManifoldClient, ServiceError
from service.keys.key_file import KeyFile
from service.release.channels import Channels
from tests.service.keyed import PAGE_OF_OTHERS, Keyed, all_routes, filled, keyed_server, told
from tests.service.openai_rows import ROW
from tests.service.refusals import refused

OPEN = {"/", "/livez", "/readyz", "/healthz"}
ROWS = np.zeros((2, 4, 4), np.float32)
X = {"x": ROWS.tolist()}


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    with keyed_server(tmp_path_factory.mktemp("keyed")) as running:
        yield running


@pytest.fixture
def without(keyed: Keyed) -> Iterator[httpx.Client]:
    with keyed.client() as client:
        yield client


@pytest.fixture
def infer(keyed: Keyed) -> Iterator[httpx.Client]:
    with keyed.client("infer") as client:
        yield client


@pytest.fixture
def admin(keyed: Keyed) -> Iterator[httpx.Client]:
    with keyed.client("admin") as client:
        yield client


def until(seconds: float, condition: Any) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, condition
        time.sleep(0.02)


def test_every_route_but_the_probes_and_the_page_demands_a_key(
    keyed: Keyed, without: httpx.Client, infer: httpx.Client, tmp_path_factory: pytest.TempPathFactory
) -> None:
    served = all_routes(tmp_path_factory.mktemp("routes"))
    described = infer.get("/openapi.json").json()["paths"]
    # BentoML's own, ours, and the native endpoints.
    assert {"/schema.json", "/v1/embed", "/embed", "/v1/admin/promote"} <= set(served)
    assert set(described) <= set(served)
    made_up = ["/made/up", "//", "//livez", "/livez/", "/LIVEZ", "/livez/../v1/models", "/v1/models%2f..", "/?/livez"]
    for path in (*served, *made_up):
        for method in ("GET", "POST", "PUT", "OPTIONS", "HEAD"):
            answer = without.request(method, keyed.server.url + filled(path), json=X if method == "POST" else None)
            if path in OPEN or path == "/?/livez":
                assert answer.status_code in (200, 405), (method, path)
                continue
            assert answer.status_code == 401, (method, path, answer.status_code)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            if method != "HEAD":
                assert "a key is needed" in told(answer)
    refused(without.get("/v1/models"), 401, "no_valid_key", "Authorization", "X-API-Key")
    assert without.get("/v2").json() == {"error": "a key is needed: Authorization: Bearer ..., or X-API-Key"}


@pytest.mark.parametrize("headers", [{"Authorization": "bearer {}"}, {"X-API-Key": "{}"},
                                     {"Authorization": "Basic x", "X-API-Key": "{}"}])  # fmt: skip
def test_a_key_is_taken_from_either_header(keyed: Keyed, without: httpx.Client, headers: dict[str, str]) -> None:
    sent = {name: value.format(keyed.secrets["infer"]) for name, value in headers.items()}
    for path in ("/v1/embed", "/embed"):
        assert without.post(path, json=X, headers=sent).status_code == 200
    assert without.get("/v2", headers=sent).status_code == 200
    assert without.get("/schema.json", headers=sent).status_code == 200


def test_what_is_no_key_is_refused(keyed: Keyed, without: httpx.Client) -> None:
    good = keyed.secrets["infer"]
    for wrong in (good[:-1], good + "x", good.replace(good[9:17], "00000000"), good[9:], "none", "x" * 5000):
        for headers in ({"Authorization": f"Bearer {wrong}"}, {"X-API-Key": wrong}):
            assert without.get("/v1/models", headers=headers).status_code == 401, headers
    assert without.get("/v1/models", headers={"Authorization": f"Basic {good}"}).status_code == 401
    assert without.get(f"/v1/models?api_key={good}").status_code == 401


def test_a_key_is_good_for_its_scope_only(keyed: Keyed) -> None:
    asked = {"infer": ("GET", "/v1/models"), "metrics": ("GET", "/metrics"), "admin": ("POST", "/v1/admin/rollback")}
    for scope in asked:
        with keyed.client(scope) as client:
            for other, (method, path) in asked.items():
                answer = client.request(method, path, json={} if method == "POST" else None)
                if other != scope:
                    refused(answer, 403, "wrong_scope", None, f"is for {scope}; this is for {other}")
                else:
                    # There is nothing to roll back to.
                    assert answer.status_code == (404 if scope == "admin" else 200)
    with keyed.client("metrics") as client:
        assert "this is for infer" in client.get("/v2/models/encoder").json()["error"]


def test_without_a_key_the_page_and_the_probes_say_nothing_of_what_is_served(
    without: httpx.Client, infer: httpx.Client
) -> None:
    assert "Release <b>" in infer.get("/").text
    page = without.get("/").text
    assert "A key is needed" in page
    for told_to_nobody in ("first", "space-of", "4 × 4", "cpu", "cuda"):
        assert told_to_nobody not in page
    assert [without.get(path).text.strip() for path in ("/livez", "/readyz", "/healthz")] == ["", "", ""]


def test_keys_come_and_go_without_a_restart(keyed: Keyed, without: httpx.Client) -> None:
    file = KeyFile(keyed.home)
    key, secret = file.new("new", ("infer", "metrics"))
    headers = {"X-API-Key": secret}

    def status() -> int:
        return without.get("/v1/models", headers=headers).status_code

    until(2, lambda: status() == 200)
    assert without.get("/metrics", headers=headers).status_code == 200
    file.revoke(key.id)
    until(2, lambda: status() == 401)
    _, brief = file.new("brief", ("infer",), lasts=timedelta(seconds=1))
    headers = {"X-API-Key": brief}
    until(0.9, lambda: status() == 200)
    until(2, lambda: status() == 401)
    assert keyed.server.process.poll() is None


def test_only_hashes_are_kept_and_only_their_owner_may_read_them(keyed: Keyed) -> None:
    path = keyed.home.keys
    assert path.stat().st_mode & 0o777 == 0o600
    everything = b"".join(file.read_bytes() for file in keyed.home.root.rglob("*") if file.is_file())
    everything += keyed.server.log.read_bytes()
    for secret in keyed.secrets.values():
        assert secret[9:17].encode() in everything
        assert secret[18:].encode() not in everything


def test_a_key_asks_no_more_often_than_its_rate(keyed: Keyed, without: httpx.Client) -> None:
    # One at once, and the next after 1.25 seconds.
    _, secret = KeyFile(keyed.home).new("slow", ("infer",), rate=0.8)
    headers = {"X-API-Key": secret}
    until(2, lambda: without.get("/v1/models", headers=headers).status_code == 200)
    refusal = without.get("/v1/models", headers=headers)
    refused(refusal, 429, "rate_limit", None, "0.8 times a second")
    assert refusal.headers["Retry-After"] == "2"
    assert without.get("/v2", headers=headers).status_code == 429
    time.sleep(1.3)
    assert without.get("/v1/models", headers=headers).status_code == 200
    # Others are not held up.
    with keyed.client("infer") as other:
        assert all(other.get("/v1/models").status_code == 200 for _ in range(5))


def test_an_admin_key_promotes_and_rolls_back_and_the_journal_names_it(
    keyed: Keyed, admin: httpx.Client, infer: httpx.Client
) -> None:
    def is_live(release: str) -> bool:
        return bool(infer.get("/v1/models").json()["live"] == release)

    answer = admin.post("/v1/admin/promote", json={"release": "second", "why": "it is better"})
    assert answer.json() == {"champion": "second", "previous": "first", "candidate": None}
    until(3, lambda: is_live("second"))
    assert admin.post("/v1/admin/rollback", json={}).json()["champion"] == "first"
    until(3, lambda: is_live("first"))
    moves = Channels(keyed.home).journal()[-2:]
    key_id = keyed.secrets["admin"][9:17]
    assert {move.who for move in moves} == {f"key {key_id} (for admin)"}
    assert [(move.action, move.why) for move in moves] == [
        ("promote", "it is better"), ("rollback", "asked for over HTTP"),
    ]  # fmt: skip
    assert "golden batch of 5 reproduced" in moves[0].verdict
    # What is answered is what the document shows.
    described = infer.get("/openapi.json").json()["paths"]["/v1/admin/promote"]["post"]
    assert set(described["requestBody"]["content"]["application/json"]["example"]) == {"release", "why"}
    assert {} not in described["security"]


@pytest.mark.parametrize(
    ("body", "status", "code", "field", "words"),
    [
        ({"release": "third"}, 404, "not_found", "release", "no release third"),
        ({"release": "candidate"}, 404, "not_found", "release", "no release is candidate now"),
        ({"release": "../first"}, 404, "not_found", "release", "no release"),
        ({"release": "broken"}, 422, "invalid_value", "release", "encoder.onnx"),
        ({}, 422, "invalid_value", "release", "missing"),
        ({"release": 1}, 422, "invalid_value", "release", "one line"),
        ({"release": "first", "why": "x\ny"}, 422, "invalid_value", "why", "one line"),
        ({"release": "first", "force": True}, 422, "invalid_value", "force", "unknown field"),
    ],
)
def test_what_cannot_be_promoted_is_named_and_nothing_moves(
    keyed: Keyed, admin: httpx.Client, publish: Any, body: Any, status: int, code: str, field: str, words: str
) -> None:
    if body.get("release") == "broken":
        publish(keyed.home, "broken")
        (keyed.home.store / "broken" / "encoder.onnx").write_bytes(b"not this")
    before = Channels(keyed.home).read()
    refused(admin.post("/v1/admin/promote", json=body), status, code, field, words)
    assert Channels(keyed.home).read() == before


def test_every_answer_tells_browsers_to_run_and_keep_nothing(without: httpx.Client, infer: httpx.Client) -> None:
    answers = [
        without.get("/"), without.get("/livez"), without.get("/v1/models"), without.get("/made/up"),
        infer.get("/v1/models"), infer.post("/v1/embed", json=X), infer.post("/embed", json=X),
        infer.get("/schema.json"), infer.post("/v1/embed", content=b"{", headers={"Content-Type": "application/json"}),
        infer.get("/made/up"),
    ]  # fmt: skip
    assert [answer.status_code for answer in answers] == [200, 200, 401, 401, 200, 200, 200, 200, 400, 404]
    for answer in answers:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none';")
        assert "unsafe" not in policy
    style = re.search(r"<style>(.*?)</style>", answers[0].text, re.DOTALL)
    assert style is not None
    assert f"'sha256-{_hash_of(style.group(1))}'" in answers[0].headers["Content-Security-Policy"]


def _hash_of(text: str) -> str:
    import base64
    import hashlib

    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_nothing_that_is_served_names_another_host(infer: httpx.Client) -> None:
    for path in ("/", "/openapi.json", "/docs.json", "/schema.json", "/v1/models", "/v1/models/champion", "/v2"):
        found = re.findall(r"(?:https?:|[\"'(])//[\w-]+\.[\w.-]+|https?://[\w-]+", infer.get(path).text)
        assert not found, (path, found)


def test_only_pages_of_the_origins_named_may_ask(without: httpx.Client, infer: httpx.Client) -> None:
    def preflight(origin: str) -> httpx.Response:
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST",
                   "Access-Control-Request-Headers": "authorization,content-type"}  # fmt: skip
        return without.options("/v1/embed", headers=headers)

    allowed = preflight(PAGE_OF_OTHERS)
    assert (allowed.status_code, allowed.headers["Access-Control-Allow-Origin"]) == (200, PAGE_OF_OTHERS)
    for origin in ("https://evil.example", "null", PAGE_OF_OTHERS + ".evil.example"):
        assert preflight(origin).status_code == 400
        for answer in (preflight(origin), infer.post("/v1/embed", json=X, headers={"Origin": origin})):
            assert "Access-Control-Allow-Origin" not in answer.headers
    answer = infer.post("/v1/embed", json=X, headers={"Origin": PAGE_OF_OTHERS})
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE_OF_OTHERS
    # A page sees why it was refused, and still needs a key.
    answer = without.post("/v1/embed", json=X, headers={"Origin": PAGE_OF_OTHERS})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (401, PAGE_OF_OTHERS)


def test_clients_that_others_wrote_show_the_key_as_they_do(keyed: Keyed) -> None:
    import openai
    import tritonclient.http as triton

    with openai.OpenAI(base_url=f"{keyed.server.url}/v1", api_key=keyed.secrets["infer"]) as client:
        assert len(client.embeddings.create(model="champion", input=[ROW]).data) == 1
    with (
        openai.OpenAI(base_url=f"{keyed.server.url}/v1", api_key="none") as client,
        pytest.raises(openai.AuthenticationError, match="not known"),
    ):
        client.models.list()
    with triton.InferenceServerClient(keyed.server.url.removeprefix("http://")) as client:
        headers = {"Authorization": f"Bearer {keyed.secrets['infer']}"}
        assert client.get_model_metadata("encoder", headers=headers)["name"] == "encoder"
    with ManifoldClient(keyed.server.url, api_key=keyed.secrets["infer"]) as client:
        assert client.embed(ROWS).codes.shape == (2, 2)
    with ManifoldClient(keyed.server.url) as client, pytest.raises(ServiceError) as refusal:
        client.embed(ROWS)
    assert (refusal.value.status, refusal.value.code) == (401, "no_valid_key")


def test_bentomls_own_client_shows_it_as_a_token(keyed: Keyed) -> None:
    program = f"""
import bentoml, numpy as np
with bentoml.SyncHTTPClient({keyed.server.url!r}, token={keyed.secrets["infer"]!r}) as client:
    assert client.embed(x=np.zeros((2, 4, 4)))["z"].shape == (2, 2)
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True)
