"""How the clients try again: on a broken way, with a service that is late, full or silent; and when they do not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from service.client import AsyncManifoldClient, Embedding, ManifoldClient, Retries, ServiceError
from service.client.attempts import Attempt, Limits, attempts, retry_after
from service.client.wire import Answer, Pause, Request
from service.release.home import Home
from tests.service.processes import free_port, serving, wait_for_status
from tests.service.relay import is_silent, leads_on, relay, says
from tests.service.tiny import Tiny, promote, publish_tiny

X = np.random.default_rng(0).uniform(0, 255, (3, 4, 4)).astype(np.float32)
ONCE = Retries(attempts=1)
BUSY = b'{"error": {"code": "queue_full", "message": "full", "field": null}}'


def embed_waiting(url: str, rows: Any = X, **options: Any) -> Embedding:
    with ManifoldClient(url, **options) as client:
        return client.embed(rows)


def embed_awaiting(url: str, rows: Any = X, **options: Any) -> Embedding:
    async def awaited() -> Embedding:
        async with AsyncManifoldClient(url, **options) as client:
            return await client.embed(rows)

    return asyncio.run(awaited())


both = pytest.mark.parametrize("embed", [embed_waiting, embed_awaiting])
Embed = Callable[..., Embedding]


@both
def test_a_connection_that_breaks_is_made_again(server: Any, tiny: Tiny, embed: Embed) -> None:
    # Before the answer, within its head, and within its rows.
    with relay(server.url, leads_on(0), leads_on(30), leads_on(300)) as way:
        assert np.allclose(embed(way.url).codes, tiny.encode(X), atol=1e-4)
        assert way.connections == 4
    with relay(server.url, leads_on(300)) as way, pytest.raises(ServiceError) as caught:
        embed(way.url, retries=ONCE)
    assert (caught.value.code, caught.value.status, caught.value.attempts) == ("unreachable", None, 1)
    assert caught.value.address == f"POST {way.url}/v1/embed"


@both
@pytest.mark.parametrize("turn", [is_silent(), says(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", 0.02)])
def test_the_time_is_that_of_all_attempts_together(server: Any, embed: Embed, turn: Any) -> None:
    with relay(server.url, *[turn] * 20) as way:
        started = time.monotonic()
        with pytest.raises(ServiceError, match="no answer within") as caught:
            embed(way.url, timeout=0.6, attempt_timeout=0.1, retries=Retries(20, first_wait=0.0))
        assert 0.3 < time.monotonic() - started < 1.5
        assert 3 <= caught.value.attempts <= 6
        started = time.monotonic()
        with pytest.raises(ServiceError, match="no answer within"):
            embed(way.url, timeout=0.2)
        assert time.monotonic() - started < 1


@both
def test_a_silent_attempt_gives_way_to_one_that_is_answered(server: Any, tiny: Tiny, embed: Embed) -> None:
    with relay(server.url, is_silent()) as way:
        assert np.allclose(embed(way.url, attempt_timeout=0.5).codes, tiny.encode(X), atol=1e-4)


@both
def test_a_service_is_not_asked_again_before_it_said(server: Any, embed: Embed) -> None:
    busy = b"HTTP/1.1 429 Too Many\r\nRetry-After: 1\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(BUSY)
    with relay(server.url, says(busy + BUSY)) as way:
        started = time.monotonic()
        embed(way.url)
        assert 1 <= time.monotonic() - started < 3
        assert way.connections == 2
    # To wait that long would be of no use: it is said at once.
    started = time.monotonic()
    with relay(server.url, says(busy + BUSY)) as way, pytest.raises(ServiceError, match="full") as caught:
        embed(way.url, timeout=0.9)
    assert time.monotonic() - started < 0.8
    assert (caught.value.status, caught.value.code) == (429, "queue_full")


def test_a_key_goes_with_each_request_and_into_no_error(server: Any) -> None:
    heard = []

    def listens(client: Any, _service: Any) -> None:
        heard.append(client.recv(65536))

    with (
        relay(server.url, listens) as way,
        ManifoldClient(way.url, api_key="secret-key", retries=ONCE) as client,
        pytest.raises(ServiceError) as caught,
    ):
        client.models()
    assert b"\r\nAuthorization: Bearer secret-key\r\n" in heard[0]
    assert "secret" not in f"{caught.value!r} {caught.value} {client!r}"
    with pytest.raises(ValueError, match="ASCII"):
        ManifoldClient(server.url, api_key="two\nlines")


def test_an_answer_of_somebody_else_is_said_to_be_one(server: Any) -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>"
    with relay(server.url, says(page), says(page)) as way, ManifoldClient(way.url) as client:
        with pytest.raises(ServiceError, match="no JSON"):
            client.models()
        with pytest.raises(ServiceError, match="names no release") as caught:
            client.embed(X)
    assert (caught.value.code, caught.value.status) == ("not_understood", 200)


@pytest.mark.parametrize(
    ("status", "again"),
    [
        *[(status, False) for status in (307, 400, 401, 403, 404, 409, 413, 415, 422, 500, 504)],
        (429, True),
        (503, True),
    ],
)
def test_only_what_may_pass_is_asked_again(status: int, again: bool) -> None:
    course = attempts(Request("POST", "/v1/embed"), "there", Limits())
    assert isinstance(next(course), Attempt)
    answer = Answer(status, {}, b"", "there")
    if again:
        assert isinstance(course.send(answer), Pause)
        assert isinstance(next(course), Attempt)
    else:
        with pytest.raises(ServiceError) as caught:
            course.send(answer)
        assert caught.value.status == status


def test_what_the_service_asks_for_is_a_number_or_a_date() -> None:
    now = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
    assert retry_after("7", now) == 7
    assert retry_after("Thu, 01 Jan 2026 12:00:30 GMT", now) == 30
    assert retry_after("Thu, 01 Jan 2026 12:00:30 -0000", now) == 30
    assert retry_after("Thu, 01 Jan 2026 11:00:00 GMT", now) == 0
    assert {retry_after(value, now) for value in (None, "", "soon", "-1", "nan", "²", "9, 9", "\0")} == {0}


def test_waits_are_drawn_from_a_range_that_doubles() -> None:
    retries = Retries(first_wait=0.1, longest_wait=1.0)
    assert [retries.wait(failed, 0, 1.0) for failed in (1, 2, 3, 4, 5, 10_000)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert retries.wait(5, 0, 0.0) == 0
    assert retries.wait(5, 2, 0.5) == 2.5
    with pytest.raises(ValueError, match="attempts"):
        Retries(attempts=0)
    with pytest.raises(ValueError, match="seconds"):
        Limits(timeout=0)


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, dict[str, Tiny], list[Embedding]]]:
    """A service that began after two clients had asked it, and had no release at first; and what it answered them."""
    folder = tmp_path_factory.mktemp("late")
    home = Home(folder / "home")
    networks = {name: publish_tiny(home, name, seed=seed) for seed, name in enumerate(("old", "new"))}
    port = free_port()
    # It looks often, so that the release changes while an input is being sent.
    settings = {"MANIFOLD_MAX_QUEUED_ROWS": "1", "MANIFOLD_POLL_SECONDS": "0.02"}
    patient = {"retries": Retries(100, longest_wait=0.5), "timeout": 60}
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(2))
        url = f"http://127.0.0.1:{port}"
        asked = [threads.submit(embed, url, **patient) for embed in (embed_waiting, embed_awaiting)]
        with pytest.raises(ServiceError) as caught:
            embed_waiting(url, retries=ONCE)
        assert caught.value.code == "unreachable"
        server = stack.enter_context(serving(folder, home, port, **settings))
        wait_for_status(server, "/readyz", 503)
        with pytest.raises(ServiceError) as caught:
            embed_waiting(url, retries=ONCE)
        assert (caught.value.status, caught.value.code) == (503, "not_ready")
        assert not any(answer.done() for answer in asked)
        promote(home, "old")
        yield server, networks, [answer.result() for answer in asked]


def test_a_service_that_starts_late_is_waited_for(late: Any) -> None:
    _, networks, answers = late
    for embedding in answers:
        assert np.allclose(embedding.codes, networks["old"].encode(X), atol=1e-4)


def test_a_full_queue_is_tried_again_until_there_is_a_place(late: Any) -> None:
    server, networks, _ = late
    rows = np.random.default_rng(1).uniform(0, 255, (4096, 4, 4)).astype(np.float32)

    async def asked_at_once(retries: Retries) -> list[Any]:
        async with AsyncManifoldClient(server.url, rows_per_request=4096, retries=retries) as client:
            await client.wait_until_ready()
            asked = (client.embed(rows) for _ in range(12))
            answers: list[Any] = await asyncio.gather(*asked, return_exceptions=True)
            return answers

    refused = [answer for answer in asyncio.run(asked_at_once(ONCE)) if isinstance(answer, ServiceError)]
    assert refused
    assert {(error.status, error.code) for error in refused} == {(429, "queue_full")}
    for answer in asyncio.run(asked_at_once(Retries(30, longest_wait=1.0))):
        assert np.allclose(answer.codes, networks["old"].encode(rows), atol=1e-3)


def test_awaited_parts_are_never_of_two_releases(late: Any) -> None:
    server, networks, _ = late
    rows = np.random.default_rng(1).uniform(0, 255, (6_000, 4, 4)).astype(np.float32)

    async def asked() -> Embedding:
        async with AsyncManifoldClient(server.url, rows_per_request=50, concurrency=1) as client:
            first = await client.embed(X)
            assert first.release == "old"
            answer = asyncio.create_task(client.embed(rows))
            await asyncio.sleep(0.05)
            await asyncio.to_thread(promote, server.home, "new")
            return await answer

    embedding = asyncio.run(asked())
    assert embedding.release == "new"
    assert np.allclose(embedding.codes, networks["new"].encode(rows), atol=1e-3)


def test_a_cancelled_task_closes_its_connection_and_gives_back_its_place(server: Any, tiny: Tiny) -> None:
    async def story() -> Embedding:
        with relay(server.url, is_silent()) as way:
            async with AsyncManifoldClient(way.url, concurrency=1) as client:
                task = asyncio.create_task(client.embed(np.repeat(X, 1000, axis=0)))
                while not way.connections:
                    await asyncio.sleep(0.01)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert await asyncio.to_thread(way.ended.acquire, timeout=5), "the connection stayed open"
                assert asyncio.all_tasks() == {asyncio.current_task()}
                return await client.embed(X)

    assert np.allclose(asyncio.run(story()).codes, tiny.encode(X), atol=1e-4)


def test_many_tasks_share_few_connections(server: Any, tiny: Tiny) -> None:
    rows = np.random.default_rng(2).uniform(0, 255, (40, 1, 4, 4)).astype(np.float32)

    async def asked(url: str) -> list[Embedding]:
        async with AsyncManifoldClient(url, concurrency=3) as client:
            return await asyncio.gather(*(client.embed(row) for row in rows))

    with relay(server.url) as way:
        answers = asyncio.run(asked(way.url))
        assert 1 < way.connections <= 3
    codes = np.concatenate([answer.codes for answer in answers])
    assert np.allclose(codes, tiny.encode(rows[:, 0]), atol=1e-4)


def test_the_first_refusal_of_a_cut_input_is_the_error(server: Any) -> None:
    rows = np.zeros((300, 5, 4), np.float32)
    with pytest.raises(ServiceError, match=r"x: shape \(50, 5, 4\) came") as caught:
        embed_awaiting(server.url, rows, rows_per_request=50)
    assert caught.value.status == 422
