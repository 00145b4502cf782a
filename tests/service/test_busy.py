"""What a client is told while the service has more to do than it can, at the application's door."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np

from service import errors
from service.app import create_app
from service.metrics import Metrics
from service.operations import Worker
from service.release.home import Home
from service.settings import Settings
from tests.service.held import Held

ROW = {"x": np.zeros((1, 4, 4)).tolist()}


def asked_while_busy(settings: Settings, waiting_rows: int) -> tuple[httpx.Response, httpx.Response]:
    """The answers to one row: while a batch runs and `waiting_rows` wait, and after."""

    async def story() -> tuple[httpx.Response, httpx.Response]:
        worker = Worker.create(settings, Metrics())
        worker.champion.look()
        app = create_app()
        app.state.worker = worker
        held = Held()
        rows = np.zeros((1, 1), np.float32)
        busy = [asyncio.create_task(worker.batcher.run(held, rows)) for _ in range(1 + waiting_rows)]
        await asyncio.sleep(0)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service") as client:
            during = await client.post("/v1/embed", json=ROW)
            held.go.set()
            await asyncio.gather(*busy)
            after = await client.post("/v1/embed", json=ROW)
        worker.batcher.close()
        return during, after

    return asyncio.run(story())


def test_a_full_queue_is_a_429_that_says_when_to_come_back(
    home: Home, publish: Callable[..., Any], make_champion: Callable[[Home, str], None]
) -> None:
    publish(home, "one")
    make_champion(home, "one")
    during, after = asked_while_busy(Settings(home=home.root, max_queued_rows=2), waiting_rows=2)
    assert during.status_code == 429
    assert during.headers["Retry-After"] == "1"
    assert during.json()["error"]["code"] == "queue_full"
    assert after.status_code == 200


def test_an_answer_that_would_come_too_late_is_a_504(
    home: Home, publish: Callable[..., Any], make_champion: Callable[[Home, str], None]
) -> None:
    publish(home, "one")
    make_champion(home, "one")
    during, after = asked_while_busy(Settings(home=home.root, deadline_seconds=0.2), waiting_rows=0)
    assert during.status_code == 504
    assert during.json()["error"] == {
        "code": "deadline",
        "message": "no answer within 0.2 s; send fewer rows at a time",
        "field": None,
    }
    assert after.status_code == 200


def test_every_error_has_its_status_and_only_what_cannot_be_found_or_comes_too_often_shares_one() -> None:
    kinds = errors.RequestError.__subclasses__()
    answers = [errors.error_response(kind("what is wrong", field="x")) for kind in kinds]
    assert sorted(answer.status_code for answer in answers) == [
        400, 401, 403, 404, 404, 404, 409, 413, 415, 422, 429, 429, 503, 504,
    ]  # fmt: skip
