"""What clients meet who ask while the service is busy: deadlines of their own, leaving, neighbours' bad rows, the rest
of a big request. Over real connections; what keeps the service busy is work that lasts until it is let go."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
import uvicorn

from service.app import create_app
from service.door.access_log import AccessLog
from service.door.counting import CountRequests
from service.door.one_shape import OneShape
from service.metrics import Metrics
from service.operations import Worker
from service.release.home import Home
from service.settings import Settings
from tests.service.held import Held
from tests.service.processes import Server
from tests.service.tiny import Tiny

ROW = {"x": np.zeros((1, 4, 4)).tolist()}


@dataclass
class Busy:
    """A served application whose batcher runs `held`."""

    worker: Worker
    held: Held
    client: httpx.AsyncClient
    port: int


@contextlib.asynccontextmanager
async def busy(settings: Settings) -> AsyncIterator[Busy]:
    worker = Worker.create(settings, Metrics())
    worker.champion.look()
    app = create_app()
    app.state.worker = worker
    door = CountRequests(OneShape(app), worker.metrics, AccessLog(0))
    server = uvicorn.Server(uvicorn.Config(door, port=0, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    held = Held()
    running = asyncio.create_task(worker.batcher.run(held, np.zeros((1, 1), np.float32)))
    await asyncio.sleep(0)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            yield Busy(worker, held, client, port)
    finally:
        held.go.set()
        await running
        server.should_exit = True
        await serving
        worker.batcher.close()


def tell(story: Coroutine[Any, Any, None]) -> None:
    async def in_time() -> None:
        async with asyncio.timeout(20):
            await story

    asyncio.run(in_time())


async def until(true: Callable[[], bool], seconds: float = 5.0) -> float:
    """How long it took to become true."""
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < seconds, "it never came true"
        await asyncio.sleep(0.005)
    return time.monotonic() - started


@pytest.fixture
def one(home: Home, publish: Callable[..., Tiny], make_champion: Callable[[Home, str], None]) -> Settings:
    publish(home, "one")
    make_champion(home, "one")
    return Settings(home=home.root)


def test_a_client_that_leaves_gives_up_its_rows_before_they_run(one: Settings) -> None:
    async def story() -> None:
        async with busy(one) as service:
            queue = service.worker.batcher
            _, writer = await asyncio.open_connection("127.0.0.1", service.port)
            body = b'{"x": ' + str(ROW["x"]).encode() + b"}"
            head = (
                f"POST /v1/embed HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
            )
            writer.write(head.encode() + b"\r\n\r\n" + body)
            await until(lambda: queue.queued_rows == 1)
            stays = asyncio.create_task(service.client.post("/v1/embed", json=ROW))
            await until(lambda: queue.queued_rows == 2)
            writer.close()
            assert await until(lambda: queue.queued_rows == 1) < 1
            service.held.go.set()
            assert (await stays).status_code == 200
            said = (await service.client.get("/metrics")).text
            assert 'manifold_requests_total{route="/v1/embed",status="499"} 1.0' in said
            assert 'manifold_rows_total{operation="embed"} 1.0' in said

    tell(story())


def test_clients_that_stay_long_are_answered(one: Settings) -> None:
    async def story() -> None:
        async with busy(one) as service:
            asks = [asyncio.create_task(service.client.post("/v1/embed", json=ROW)) for _ in range(5)]
            # Longer than the moment after which they are listened to.
            await asyncio.sleep(0.3)
            service.held.go.set()
            assert [answer.status_code for answer in await asyncio.gather(*asks)] == [200] * 5
            # And may ask again on the same connection.
            assert (await service.client.post("/v1/embed", json=ROW)).status_code == 200

    tell(story())


def test_a_client_may_ask_for_a_shorter_deadline(one: Settings) -> None:
    async def story() -> None:
        async with busy(one) as service:
            late = await service.client.post("/v1/embed", json=ROW, headers={"X-Manifold-Timeout": "0.2"})
            assert late.status_code == 504
            assert late.json()["error"]["message"] == "no answer within 0.2 s; send fewer rows at a time"
            assert service.worker.batcher.queued_rows == 0
            service.held.go.set()
            in_time = await service.client.post("/v1/embed", json=ROW, headers={"X-Manifold-Timeout": "20"})
            assert in_time.status_code == 200

    tell(story())


@pytest.mark.parametrize("asked", ["0", "-1", "soon", "1e3", "nan", "9" * 20])
def test_a_deadline_that_is_no_time_is_refused(http: httpx.Client, asked: str) -> None:
    answer = http.post("/v1/embed", json=ROW, headers={"X-Manifold-Timeout": asked})
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == "X-Manifold-Timeout"


def test_a_full_queue_says_when_what_waits_will_have_run(one: Settings) -> None:
    class Slow:
        batch_rows = 128

        def __call__(self, rows: Any, /) -> Any:
            time.sleep(0.1 * len(rows))
            return rows

    async def story() -> None:
        async with busy(one.model_copy(update={"max_queued_rows": 30})) as service:
            queue, slow = service.worker.batcher, Slow()
            service.held.go.set()
            await queue.run(slow, np.zeros((5, 1), np.float32))
            running = asyncio.create_task(queue.run(slow, np.zeros((5, 1), np.float32)))
            await asyncio.sleep(0)
            waits = asyncio.create_task(queue.run(slow, np.zeros((30, 1), np.float32)))
            await asyncio.sleep(0)
            answer = await service.client.post("/v1/embed", json=ROW)
            assert answer.status_code == 429
            # 30 rows of a tenth of a second.
            assert 2 <= int(answer.headers["Retry-After"]) <= 4
            waits.cancel()
            await running

    tell(story())


def test_one_clients_bad_codes_are_told_to_it_alone(server: Server, tiny: Tiny) -> None:
    async def story() -> None:
        good = np.random.default_rng(0).normal(size=(30, 1, 2)).astype(np.float32)
        bad = np.full((1, 2), 3e38, np.float32)
        async with httpx.AsyncClient(base_url=server.url, timeout=20) as client:
            asks = [client.post("/v1/generate", json={"z": z.tolist()}) for z in good]
            asks.insert(15, client.post("/v1/generate", json={"z": bad.tolist()}))
            answers = await asyncio.gather(*asks)
        refused = answers.pop(15)
        assert refused.status_code == 422
        assert "not finite" in refused.json()["error"]["message"]
        assert np.allclose([answer.json()["x"][0] for answer in answers], tiny.decode(good[:, 0]), rtol=1e-5)

    tell(story())


def test_rows_are_answered_the_same_together_and_alone(server: Server) -> None:
    async def story() -> None:
        rows = np.random.default_rng(0).uniform(size=(200, 4, 4)).astype(np.float32)
        async with httpx.AsyncClient(base_url=server.url, timeout=20) as client:
            together = (await client.post("/v1/embed", json={"x": rows.tolist()})).json()["z"]
            alone = await asyncio.gather(*(client.post("/v1/embed", json={"x": [x.tolist()]}) for x in rows))
        singly = [answer.json()["z"][0] for answer in alone]
        assert np.abs(np.subtract(singly, together)).max() <= 1e-6 * np.abs(together).max()

    tell(story())


def test_a_client_that_leaves_a_long_chain_ends_it(server: Server, http: httpx.Client) -> None:
    body = b'{"count": 1, "steps": 60000, "method": "walkback"}'
    head = (
        f"POST /v1/sample HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((urlsplit(server.url).hostname, urlsplit(server.url).port), 5) as connection:
        connection.sendall(head.encode() + body)
        time.sleep(0.3)
    deadline = time.monotonic() + 5
    while 'manifold_requests_total{route="/v1/sample",status="499"}' not in http.get("/metrics").text:
        assert time.monotonic() < deadline, "the chain goes on"
        time.sleep(0.05)
