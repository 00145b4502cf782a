"""What thousands of bad requests leave behind in the worker: nothing that grows with their number."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from tests.service.processes import Server
from tests.service.sockets import Bystander, answered_throughout, connect, post, tell
from tests.service.test_abuse_bombs import jpeg
from tests.service.worker import resident_bytes

MANY, FEW = 2000, 300
# After as many as warm up the allocator. A leak of 4 kB a request is 8 MB.
GROWTH = 8_000_000
_CHUNKED = post("/v1/embed", "Transfer-Encoding: chunked")


def many_headers(index: int) -> str:
    return "".join(f"a{index}-{number}: b\r\n" for number in range(120))


# On one connection, each answered. Paths, names and versions are new each time: none may be remembered.
REFUSED: dict[str, Callable[[int], bytes]] = {
    "json": lambda i: post("/v1/embed", body=b'{"x": [[1, %d}' % i),
    "shape": lambda i: post("/v1/embed", body=b'{"x": [[1, %d]]}' % i),
    "native": lambda i: post("/embed", body=b'{"x": [[1, %d]]}' % i),
    "npy": lambda i: post("/v1/embed", body=b"\x93NUMPY\x01\x00\x10\x00" + b"%016d" % i, kind="application/x-npy"),
    "image": lambda i: post("/v1/embed", body=jpeg(60_000, 1 + i), kind="image/jpeg"),
    "openai": lambda i: post("/v1/embeddings", body=b'{"model": "m%d", "input": "http://h/%d.png"}' % (i, i)),
    "v2": lambda i: post(f"/v2/models/encoder/versions/{i}/infer", body=b'{"inputs": []}'),
    "type": lambda i: post("/v1/embed", body=b"x", kind=f"text/x-{i}"),
    "encoding": lambda i: post("/v1/embed", f"Content-Encoding: x-{i}", body=b"x"),
    "path": lambda i: f"GET /nowhere/{i} HTTP/1.1\r\nHost: h{i}\r\n\r\n".encode(),
    "model": lambda i: f"GET /v1/models/m{i} HTTP/1.1\r\nHost: x\r\nX-Request-Id: {i}\r\n\r\n".encode(),
    "method": lambda i: f"DELETE /v1/embed?a{i}=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    "headers": lambda i: f"GET /livez HTTP/1.1\r\nHost: x\r\n{many_headers(i)}\r\n".encode(),
}  # fmt: skip
# Each on a connection of its own, which its client resets.
BROKEN_OFF: dict[str, Callable[[int], bytes]] = {
    "no http": lambda i: b"\x16\x03\x01%d\r\n\r\n" % i,
    "half a head": lambda i: b"POST /v1/embed HTTP/1.1\r\nA%d: " % i + b"b" * 2000,
    "half a body": lambda i: post("/v1/embed", "Content-Length: 9999", body=b" " * (4000 + i % 2)),
    "half a chunk": lambda i: _CHUNKED + b"ffff\r\n" + b" " * (4000 + i % 2),
    "half an answer": lambda i: post("/v1/generate", body=b'{"z": [[0, %d]]}' % i),
}


@pytest.fixture(scope="module", autouse=True)
def others(server: Server) -> Iterator[Bystander]:
    with answered_throughout(server) as seen:
        yield seen


def be_refused(server: Server, request: Callable[[int], bytes], numbers: range) -> None:
    with connect(server) as connection:
        for start in range(numbers.start, numbers.stop, 50):
            connection.sendall(b"".join(request(index) for index in range(start, start + 50)))
            content = b""
            while content.count(b"HTTP/1.1 4") < 50:
                piece = connection.recv(1 << 16)
                assert piece, content[-1000:]
                content += piece
            assert content.count(b"HTTP/1.1 ") == 50, content


def break_off(server: Server, request: Callable[[int], bytes], numbers: range) -> None:
    for index in numbers:
        if index % 25 == 0:
            # What came before has been seen now: this is about what stays, not about how fast they come.
            assert tell(server, b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").status == 200
        with connect(server) as connection, suppress(ConnectionError):
            connection.sendall(request(index))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("kind", [*REFUSED, *BROKEN_OFF])
def test_bad_requests_leave_nothing_behind(server: Server, kind: str) -> None:
    ask, request = (be_refused, REFUSED[kind]) if kind in REFUSED else (break_off, BROKEN_OFF[kind])
    ask(server, request, range(FEW))
    before = resident_bytes(server)
    ask(server, request, range(FEW, FEW + MANY))
    assert resident_bytes(server) - before < GROWTH
