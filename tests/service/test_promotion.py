"""What happens to clients while the champion changes: nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import httpx
import numpy as np
import pytest

from service.client import ManifoldClient
from service.release.home import Home

Publish = Callable[..., Any]
Promote = Callable[[Home, str], None]
StartServer = Callable[..., AbstractContextManager[Any]]
WaitFor = Callable[..., httpx.Response]

X = np.random.default_rng(0).uniform(0, 255, (3, 4, 4)).astype(np.float32)


def test_a_promotion_under_load_fails_no_request_and_is_live_within_two_seconds(
    home: Home, publish: Publish, make_champion: Promote, start_server: StartServer, wait_for: WaitFor
) -> None:
    networks = {version: publish(home, version, seed=seed) for seed, version in enumerate(["old", "new"])}
    make_champion(home, "old")
    answers: list[tuple[float, int, Any]] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=url, timeout=20) as client:
            while not stop.is_set():
                answer = client.post("/v1/embed", json={"x": X.tolist()})
                answers.append((time.monotonic(), answer.status_code, answer.json()))

    with start_server(home) as server:
        wait_for(server, "/readyz", 200)
        url = server.url
        askers = [threading.Thread(target=ask) for _ in range(4)]
        for asker in askers:
            asker.start()
        time.sleep(0.5)
        make_champion(home, "new")
        promoted = time.monotonic()
        time.sleep(2.5)
        stop.set()
        for asker in askers:
            asker.join()

    assert {status for _, status, _ in answers} == {200}
    for _, _, body in answers:
        # Each answer is one release's, codes and names alike.
        assert body["space"] == f"space-of-{body['release']}"
        assert np.allclose(body["z"], networks[body["release"]].encode(X), atol=1e-4)
    assert answers[0][2]["release"] == "old"
    assert {body["release"] for when, _, body in answers if when > promoted + 2} == {"new"}


@pytest.mark.parametrize("harm", ["flipped byte", "golden batch", "missing file", "graph"])
def test_a_champion_that_fails_its_checks_leaves_the_old_one_serving(
    home: Home, publish: Publish, make_champion: Promote, harm: str, champion_of: Callable[[Home], Any]
) -> None:
    publish(home, "good")
    make_champion(home, "good")
    champion = champion_of(home)
    champion.look()
    publish(home, "bad", golden_off_by=0.5 if harm == "golden batch" else 0.0)
    encoder = home.store / "bad" / "encoder.onnx"
    if harm == "flipped byte":
        content = bytearray(encoder.read_bytes())
        content[-20] ^= 1
        encoder.write_bytes(content)
    elif harm == "missing file":
        encoder.unlink()
    elif harm == "graph":
        publish(home, "vectors", shape=(16,))
        (home.store / "bad").rename(home.root / "aside")
        (home.store / "vectors").rename(home.store / "bad")
    make_champion(home, "bad")
    champion.look()
    assert champion.live().release == "good"
    assert champion.failure.release == "bad"
    expected = {"golden batch": "golden code differs by 0.5", "missing file": "encoder.onnx is missing"}
    expected |= {"flipped byte": "encoder.onnx has sha256", "graph": "its manifest is that of vectors"}
    assert expected[harm] in champion.failure.message

    # A rollback ends the failure.
    make_champion(home, "good")
    champion.look()
    assert champion.failure is None


def test_a_bad_champion_shows_in_models_metrics_and_log_and_a_good_one_follows(
    home: Home, publish: Publish, make_champion: Promote, start_server: StartServer, wait_for: WaitFor
) -> None:
    publish(home, "good")
    publish(home, "bad", golden_off_by=0.5)
    publish(home, "better", seed=3)
    make_champion(home, "good")
    # No probation, or the bad one would be gone before it shows.
    with start_server(home, MANIFOLD_PROBATION_SECONDS="0") as server, httpx.Client(base_url=server.url) as client:
        wait_for(server, "/readyz", 200)
        make_champion(home, "bad")
        deadline = time.monotonic() + 5
        while (models := client.get("/v1/models").json())["failure"] is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert models["live"] == "good"
        assert models["failure"]["release"] == "bad"
        assert [entry["live"] for entry in models["models"]] == [True, False]
        assert client.get("/v1/models/champion").json()["live"] is False
        assert client.get("/readyz").status_code == 200
        assert client.post("/v1/embed", json={"x": X.tolist()}).json()["release"] == "good"
        assert "manifold_release_load_failures_total 1.0" in client.get("/metrics").text
        assert "release bad on" in server.log_text()
        make_champion(home, "better")
        deadline = time.monotonic() + 2
        while client.get("/v1/models").json()["live"] != "better":
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_long_input_is_never_answered_by_two_releases(
    home: Home, publish: Publish, make_champion: Promote, start_server: StartServer, wait_for: WaitFor
) -> None:
    networks = {version: publish(home, version, seed=seed) for seed, version in enumerate(["old", "new"])}
    make_champion(home, "old")
    x = np.random.default_rng(0).uniform(0, 255, (100_000, 4, 4)).astype(np.float32)
    # It looks often, so that the release changes while the input is being sent.
    with start_server(home, MANIFOLD_POLL_SECONDS="0.01") as server:
        wait_for(server, "/readyz", 200)
        with ManifoldClient(server.url) as client:
            for turn in range(5):
                version = ["new", "old"][turn % 2]
                promotion = threading.Timer(0.03, make_champion, (home, version))
                promotion.start()
                embedding = client.embed(x)
                promotion.join()
                assert embedding.space == f"space-of-{embedding.release}"
                assert np.allclose(embedding.codes, networks[embedding.release].encode(x), atol=1e-3)
                deadline = time.monotonic() + 5
                while client.models()["live"] != version:
                    assert time.monotonic() < deadline
