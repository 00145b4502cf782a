"""A service that sees its new champion fail: it says so, and the champion goes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import httpx
import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from service.champion import Champion
from service.door.observing import ObserveAnswers
from service.metrics import Metrics
from service.release.channels import Channels
from service.release.home import Home
from service.release.serving import Observation, ServingRecords
from service.settings import Settings
from service.watch import Outcomes, Watch

Publish = Callable[..., Any]
Promote = Callable[[Home, str], None]
StartServer = Callable[..., AbstractContextManager[Any]]
WaitFor = Callable[..., httpx.Response]

X = np.random.default_rng(0).uniform(0, 255, (3, 4, 4)).astype(np.float32)


class Watched:
    """A champion of one home and its watch, in this process."""

    def __init__(self, home: Home) -> None:
        settings = Settings(home=home.root)
        self.home = home
        self.champion = Champion(settings, Metrics())
        self.outcomes = Outcomes()
        self.watch = Watch(settings, self.champion, self.outcomes)

    def look(self) -> Observation | None:
        self.champion.look()
        self.watch.look()
        found = ServingRecords(self.home).fresh()
        return found[0] if found else None


@pytest.fixture
def watched(home: Home, publish: Publish, make_champion: Promote) -> Watched:
    """One that serves `good`."""
    publish(home, "good")
    publish(home, "new", seed=1)
    make_champion(home, "good")
    served = Watched(home)
    served.look()
    return served


def test_a_promoted_release_that_fails_in_service_goes_back_by_itself_while_the_old_one_serves(
    home: Home, publish: Publish, make_champion: Promote, start_server: StartServer, wait_for: WaitFor
) -> None:
    publish(home, "good")
    publish(home, "bad", golden_off_by=0.5)
    make_champion(home, "good")
    with start_server(home) as server, httpx.Client(base_url=server.url) as client:
        wait_for(server, "/readyz", 200)
        for _ in range(3):
            client.post("/v1/embed", json={"x": X.tolist()})
        make_champion(home, "bad")
        deadline = time.monotonic() + 10
        while Channels(home).read().champion == "bad":
            assert client.post("/v1/embed", json={"x": X.tolist()}).json()["release"] == "good"
            assert time.monotonic() < deadline, server.log_text()
            time.sleep(0.05)
        time.sleep(1)
        journal = Channels(home).journal()
        assert [(move.action, move.release, move.who) for move in journal[1:]] == [
            ("promote", "bad", "a test"),
            ("rollback", "good", "probation"),
        ]
        assert "golden code differs by 0.5" in journal[-1].why
        assert "rollback of good instead of bad by probation" in server.log_text()
        assert client.get("/readyz").status_code == 200
        assert client.get("/v1/models").json()["failure"] is None
        (seen,) = ServingRecords(home).fresh()
        assert (seen.release, seen.failures, seen.refused) == ("good", 0, None)
        assert seen.requests >= 3
    deadline = time.monotonic() + 5
    while ServingRecords(home).fresh():
        assert time.monotonic() < deadline, "a service that stops takes its file away"
        time.sleep(0.05)


def test_a_new_champion_whose_requests_fail_goes_back(watched: Watched, make_champion: Promote) -> None:
    for failed in [True] * 30:
        watched.outcomes.note("good", failed=failed)
    make_champion(watched.home, "new")
    watched.look()
    for number in range(20):
        watched.outcomes.note("new", failed=number < 2)
    seen = watched.look()
    assert seen is not None
    assert (seen.release, seen.requests, seen.failures) == ("new", 20, 2)
    assert Channels(watched.home).read().champion == "good"
    watched.look()
    assert watched.champion.live().release == "good"


def test_a_worker_that_may_not_write_its_file_serves_and_judges_all_the_same(
    home: Home, publish: Publish, make_champion: Promote, caplog: pytest.LogCaptureFixture
) -> None:
    publish(home, "good")
    publish(home, "bad", golden_off_by=0.5)
    make_champion(home, "good")
    home.serving.write_text("no folder")
    served = Watched(home)
    served.look()
    make_champion(home, "bad")
    served.look()
    assert Channels(home).read().champion == "good"
    assert sum("cannot be written down" in entry.message for entry in caplog.records) == 1


def test_where_there_is_no_probation_a_failed_champion_stays(
    home: Home, publish: Publish, make_champion: Promote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MANIFOLD_PROBATION_SECONDS", "0")
    publish(home, "good")
    publish(home, "bad", golden_off_by=0.5)
    make_champion(home, "good")
    served = Watched(home)
    served.look()
    make_champion(home, "bad")
    served.look()
    assert Channels(home).read().champion == "bad"


def test_a_damaged_file_is_tried_again_before_the_champion_goes_back(
    watched: Watched, make_champion: Promote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.champion._RETRY_SECONDS", 0.0)
    encoder = watched.home.store / "new" / "encoder.onnx"
    encoder.write_bytes(encoder.read_bytes()[:-1])
    make_champion(watched.home, "new")
    seen = watched.look()
    assert seen is not None
    assert seen.refused is not None
    assert (seen.refused.tries, seen.refused.golden) == (1, False)
    assert Channels(watched.home).read().champion == "new"
    watched.look()
    assert Channels(watched.home).read().champion == "good"


async def _answer(request: Any) -> PlainTextResponse:
    return PlainTextResponse("", status_code=int(request.path_params["status"]))


@pytest.mark.parametrize(
    ("method", "path", "counted"),
    [
        ("POST", "/v1/200", (1, 0)),
        ("POST", "/v1/422", (1, 0)),
        ("POST", "/v1/500", (1, 1)),
        ("POST", "/v1/504", (1, 1)),
        ("GET", "/v1/503", (0, 0)),
        ("POST", "/v1/admin/503", (0, 0)),
    ],
)
def test_work_is_counted_for_the_release_that_was_live(
    watched: Watched, method: str, path: str, counted: tuple[int, int]
) -> None:
    answers = Starlette(
        routes=[Route(f"{prefix}/{{status}}", _answer, methods=["GET", "POST"]) for prefix in ("/v1", "/v1/admin")]
    )

    async def ask() -> None:
        transport = httpx.ASGITransport(ObserveAnswers(answers, watched.outcomes))
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            await client.request(method, path)

    asyncio.run(ask())
    found = watched.outcomes.of("good")
    assert (found.requests, found.failures) == counted
