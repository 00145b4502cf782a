"""Clients that break HTTP, dawdle, or do not read: each connection ends, in time, and nobody else waits for it."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterator

import httpx
import numpy as np
import pytest

from service.door.connections import LINGER_SECONDS, MOST_HEAD_BYTES, MOST_HEADERS
from service.release.home import Home
from tests.service.processes import Server, serving, wait_for_status
from tests.service.sockets import ROW, Bystander, answered_throughout, connect, post, read_to_the_end, tell, tell_all
from tests.service.tiny import every_method, promote, publish_tiny
from tests.service.worker import connections_of, resident_bytes

DEADLINE, HEAD = 1.0, 2.0
# Beyond a deadline: a look at each connection every quarter of a second, the linger, a busy machine.
MARGIN = 1.5
MAX_HELD = 2_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that soon loses patience."""
    folder = tmp_path_factory.mktemp("impatient")
    home = Home(folder / "home")
    publish_tiny(home, "first", classifier=True, sampling=every_method())
    promote(home, "first")
    with serving(
        folder,
        home,
        MANIFOLD_DEADLINE_SECONDS=str(DEADLINE),
        MANIFOLD_HEAD_SECONDS=str(HEAD),
        MANIFOLD_MAX_BODY_BYTES="1000000",
        MANIFOLD_MAX_HELD_BYTES=str(MAX_HELD),
        MANIFOLD_MAX_CONNECTIONS="600",
    ) as running:
        wait_for_status(running, "/readyz", 200)
        yield running
        # Nothing that was done here is a fault of the service.
        assert "Traceback" not in running.log_text(), running.log_text()[-4000:]


@pytest.fixture
def bystander(server: Server) -> Iterator[Bystander]:
    with answered_throughout(server) as seen:
        yield seen


def wait_until_alone(server: Server, seconds: float) -> None:
    """Until the worker has no connection left."""
    deadline = time.monotonic() + seconds
    while connections_of(server) > 0:
        assert time.monotonic() < deadline, "connections were left open"
        time.sleep(0.05)


EMBED = post("/v1/embed", "Content-Length: 2")[:-2]
CHUNKED = post("/v1/embed", "Transfer-Encoding: chunked")


NO_HTTP = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 1000,
        b"GET  HTTP/1.1\r\n\r\n",
        b"GET /livez HTTP/9.9\r\nHost: x\r\n\r\n",
        b"BREW /livez HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT other:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /a\x00b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET /livez HTTP/1.1\nHost: x\n\n",
        post("/v1/embed", "Content-Length: -5", body=b"hello"),
        post("/v1/embed", "Content-Length: +5", body=b"hello"),
        post("/v1/embed", "Content-Length: 5, 5", body=b"hello"),
        post("/v1/embed", "Content-Length: 99999999999999999999999", body=b"hello"),
        post("/v1/embed", "Content-Length: 5", "Content-Length: 6", body=b"hello"),
        post("/v1/embed", "Content-Length: 5", "Content-Length: 5", body=b"hello"),
        # What one server takes for a body, and another for a request.
        post("/v1/embed", "Content-Length: 30", "Transfer-Encoding: chunked", body=b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
        post("/v1/embed", "Transfer-Encoding: chunked", "Content-Length: 5", body=b"0\r\n\r\n"),
        post("/v1/embed", "Transfer-Encoding: chunked", "Transfer-Encoding: identity", body=b"0\r\n\r\n"),
        post("/v1/embed", "Transfer-Encoding : chunked", body=b"0\r\n\r\n"),
        post("/v1/embed", "Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
        CHUNKED + b"5\r\nhello, world\r\n0\r\n\r\n",
        CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"fffffffffffffffff\r\nhello",
        CHUNKED + b"zz\r\nhello",
        post("/v1/embed", "Upgrade: h2c", "Connection: Upgrade", "Content-Length: 2", body=b"{}"),
    ]  # fmt: skip


def test_what_is_no_http_is_a_400_and_the_end_of_its_connection(server: Server, bystander: Bystander) -> None:
    for request, answer in zip(NO_HTTP, tell_all(server, NO_HTTP), strict=True):
        assert (answer.status, answer.error["code"]) == (400, "malformed"), request
        assert "connection: close" in answer.head, request
        assert answer.content.count(b"HTTP/1.1 4") == 1, request
        assert answer.seconds < MARGIN + LINGER_SECONDS, request


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /livez HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 1_000_000 + b"\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"a" * 1_000_000,
        b"GET /livez?" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /" + b"a" * (MOST_HEAD_BYTES + 1) + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"".join(b"a%d: b\r\n" % i for i in range(10_000)) + b"\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * MOST_HEADERS + b"\r\n",
        CHUNKED + b"2\r\n{}\r\n0\r\n" + b"".join(b"a%d: b\r\n" % i for i in range(100_000)),
        CHUNKED + b"2;" + b"a" * 1_000_000,
    ],
    ids=["header", "name", "query", "path", "headers", "many", "trailers", "extension"],
)
def test_a_head_beyond_its_limit_is_a_431(server: Server, bystander: Bystander, request_bytes: bytes) -> None:
    before = resident_bytes(server)
    with connect(server) as connection:
        since = time.monotonic()
        with contextlib.suppress(ConnectionError):
            connection.sendall(request_bytes)
        connection.shutdown(socket.SHUT_WR)
        answer = read_to_the_end(connection, since)
    assert (answer.status, answer.error["code"]) == (431, "head_too_large")
    assert answer.seconds < 1 + LINGER_SECONDS
    assert resident_bytes(server) - before < 4_000_000


def test_a_head_within_its_limit_is_read(server: Server) -> None:
    names = [f"a{index}" for index in range(MOST_HEADERS - 20)]
    # As much as fits, with what httpx says itself.
    headers = dict.fromkeys(names, "b" * (MOST_HEAD_BYTES // MOST_HEADERS - 20))
    assert httpx.get(server.url + "/livez", headers=headers).status_code == 200


def test_a_refusal_below_v2_is_the_protocols(server: Server) -> None:
    many = b"a: b\r\n" * MOST_HEADERS
    answer = tell(server, b"GET /v2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + many + b"\r\n")
    assert answer.status == 431
    assert isinstance(answer.error, str)


@pytest.mark.parametrize("sent", [b"", b"G", EMBED[:40], EMBED[:-1]], ids=["nothing", "a byte", "half", "most"])
def test_a_head_that_does_not_come_ends_by_its_deadline(server: Server, bystander: Bystander, sent: bytes) -> None:
    answer = tell(server, sent)
    assert HEAD <= answer.seconds < HEAD + MARGIN
    assert not answer.reset
    if sent:
        assert (answer.status, answer.error["code"]) == (408, "too_slow")
    else:
        assert answer.content == b""


def test_a_head_of_a_byte_at_a_time_ends_by_its_deadline(server: Server, bystander: Bystander) -> None:
    answer = tell(server, *[EMBED[index : index + 1] for index in range(30)], every=0.1)
    assert (answer.status, answer.error["code"]) == (408, "too_slow")


def test_a_body_that_does_not_come_is_a_504_by_the_deadline(server: Server, bystander: Bystander) -> None:
    begun = [
        post("/v1/embed", "Content-Length: 1000", body=b'{"x": ['),
        post("/embed", "Content-Length: 1000", body=b'{"x": ['),
        post("/v2/models/encoder/infer", "Content-Length: 1000", body=b'{"inputs": ['),
        post("/v1/sample", "Content-Length: 1"),
        CHUNKED + b"8\r\n" + b'{"x": [[',
        # A chunk of 16 exabytes, on the word of its size.
        CHUNKED + b"ffffffffffffffff\r\n{",
    ]
    for request, answer in zip(begun, tell_all(server, begun), strict=True):
        assert answer.status == 504, request
        assert answer.seconds < DEADLINE + LINGER_SECONDS + MARGIN, request


def test_a_body_of_a_byte_at_a_time_is_a_504_and_its_connection_ends(server: Server, bystander: Bystander) -> None:
    head = post("/v1/embed", "Content-Length: 100000")
    answer = tell(server, head, *[b" "] * 60, every=0.1)
    assert (answer.status, answer.error["code"]) == (504, "deadline")
    wait_until_alone(server, 2)


def test_a_chunked_body_without_an_end_is_a_413_and_its_connection_ends(server: Server, bystander: Bystander) -> None:
    since = time.monotonic()
    with connect(server) as connection:
        connection.sendall(CHUNKED)
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                connection.sendall(b"2710\r\n" + b" " * 10_000 + b"\r\n")
                time.sleep(0.005)
        sent_for = time.monotonic() - since
        answer = read_to_the_end(connection, since)
    # Cut off while it sends, it may not see its answer; it must not go on for ever.
    assert answer.reset or answer.status == 413
    assert sent_for < LINGER_SECONDS + 1 + MARGIN


def test_a_body_longer_than_stated_is_not_read_as_a_request(server: Server, bystander: Bystander) -> None:
    answer = tell(server, post("/v1/embed", "Content-Length: 2", body=b"{}LEAK\x00 / HTTP/1.1\r\n\r\n"))
    assert (answer.status, answer.error["code"]) == (422, "invalid_value")
    assert answer.content.count(b"HTTP/1.1 4") == 1


def test_clients_that_leave_in_the_middle_leave_nothing_behind(server: Server, bystander: Bystander) -> None:
    for body in (b"", b'{"x": [', b'{"count": 200}'):
        for _ in range(50):
            with connect(server) as connection:
                connection.sendall(post("/v1/sample", f"Content-Length: {max(14, len(body))}", body=body))
                # Reset, not closed.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    deadline = time.monotonic() + 10
    while httpx.get(server.url + "/v1/models").json()["queue"]["waiting_rows"] > 0:
        assert time.monotonic() < deadline, "rows of clients that have left still wait"
        time.sleep(0.1)


def test_an_answer_that_is_not_read_is_thrown_away(server: Server, bystander: Bystander) -> None:
    ask = post("/v1/sample", body=b'{"count": 4000}')
    before = resident_bytes(server)
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            connection = stack.enter_context(connect(server))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(ask * 20)
        time.sleep(0.5)
        wait_until_alone(server, 4 * DEADLINE + 10)
    assert resident_bytes(server) - before < 60_000_000


def test_pipelined_requests_are_answered_in_order(server: Server, bystander: Bystander) -> None:
    paths = ["/livez", "/v1/nowhere", "/readyz", "/v2/health/live"]
    requests = [f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for path in paths]
    with connect(server) as connection:
        since = time.monotonic()
        connection.sendall(b"".join(requests) * 5)
        time.sleep(0.3)
        connection.shutdown(socket.SHUT_WR)
        answer = read_to_the_end(connection, since)
    statuses = [int(part[:3]) for part in answer.content.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [200, 404, 200, 200] * 5


def test_more_pipelined_requests_than_are_kept_end_their_connection(server: Server, bystander: Bystander) -> None:
    answer = tell(server, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 10_000)
    assert answer.content.count(b"HTTP/1.1 200") < 1000


def test_http_1_0_is_answered_and_closed(server: Server) -> None:
    answer = tell(server, b"GET /livez HTTP/1.0\r\n\r\n")
    assert answer.status == 200
    assert answer.seconds < 1


def test_five_hundred_idle_connections_keep_out_nobody_and_end(server: Server, bystander: Bystander) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(500):
            stack.enter_context(connect(server)).sendall(EMBED[:30])
        # Where the machine is busy, the first have ended before the last are open: how many are is its speed.
        assert connections_of(server) > 50
        wait_until_alone(server, HEAD + LINGER_SECONDS + MARGIN)


def test_more_connections_than_may_be_open_close_the_idlest(server: Server, bystander: Bystander) -> None:
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(connect(server)) for _ in range(750)]
        time.sleep(0.2)
        assert connections_of(server) <= 605
        # The last of them is served as if it were the first.
        opened[-1].sendall(post("/v1/embed", "Connection: close", body=ROW))
        assert read_to_the_end(opened[-1], time.monotonic()).status == 200


def test_five_hundred_requests_at_once_are_all_answered(server: Server, bystander: Bystander) -> None:
    ask = post("/v1/embed", "Connection: close", body=ROW)
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(connect(server)) for _ in range(500)]
        since = time.monotonic()
        for connection in opened:
            connection.sendall(ask)
        answers = [read_to_the_end(connection, since) for connection in opened]
    assert {answer.status for answer in answers} == {200}


def test_large_bodies_held_by_many_keep_out_no_small_one(server: Server, bystander: Bystander) -> None:
    """`bystander` is answered while the held bodies have used up what may be held."""
    before = resident_bytes(server)
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(connect(server)) for _ in range(40)]
        for connection in opened:
            with contextlib.suppress(ConnectionError):
                connection.sendall(post("/v1/embed", "Content-Length: 900000", body=b" " * 800_000))
        grown = resident_bytes(server) - before
        answers = [read_to_the_end(connection, time.monotonic()) for connection in opened]
    assert {answer.status for answer in answers} <= {429, 504, 0}
    refused = [answer for answer in answers if answer.status == 429]
    assert len(refused) > 20
    assert refused[0].error["code"] == "queue_full"
    assert "retry-after: 1" in refused[0].head
    assert grown < 8 * MAX_HELD
    wait_until_alone(server, 4)
    body = b'{"x": ' + str(np.zeros((1, 4, 4)).tolist()).encode() + b" " * 700_000 + b"}"
    assert httpx.post(server.url + "/v1/embed", content=body, headers={"Content-Type": "application/json"}).is_success
