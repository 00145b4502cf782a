"""Clients that send what no library would, and one beside them that only wants its answers."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from tests.service.processes import Server

ROW = json.dumps({"x": np.zeros((1, 4, 4)).tolist()}).encode()
# What the others may have to wait, whatever anybody does: some ms, and what a busy machine adds.
PATIENCE = 2.0


@dataclass
class Answer:
    """What came back on a connection until it was closed."""

    content: bytes
    seconds: float
    reset: bool

    @property
    def status(self) -> int:
        return int(self.content.split(b" ", 2)[1]) if self.content else 0

    @property
    def head(self) -> str:
        return self.content.partition(b"\r\n\r\n")[0].decode("latin-1").lower()

    @property
    def error(self) -> Any:
        """What is under "error", once what there is has the one shape, and says that the connection ends."""
        assert "content-type: application/json" in self.head, self.content
        body = json.loads(self.content.partition(b"\r\n\r\n")[2])
        assert list(body) == ["error"], body
        return body["error"]


def connect(server: Server) -> socket.socket:
    address = urlsplit(server.url)
    connection = socket.create_connection((address.hostname, address.port), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def read_to_the_end(connection: socket.socket, since: float, most: int = 1 << 30) -> Answer:
    """All that comes until the server closes; fails where it leaves the connection open for 10 s."""
    content, reset = bytearray(), False
    try:
        while len(content) < most and (piece := connection.recv(1 << 16)):
            content += piece
    except ConnectionResetError:
        reset = True
    return Answer(bytes(content), time.monotonic() - since, reset)


def tell(server: Server, *pieces: bytes, every: float = 0.0) -> Answer:
    """Send pieces, and read until the server closes the connection."""
    since = time.monotonic()
    with connect(server) as connection:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(every)
        return read_to_the_end(connection, since)


def tell_all(server: Server, requests: list[bytes]) -> list[Answer]:
    """What `tell` gives for each of them, all at the same time."""
    since = time.monotonic()
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(connect(server)) for _ in requests]
        for connection, request in zip(opened, requests, strict=True):
            with contextlib.suppress(ConnectionError):
                connection.sendall(request)
        return [read_to_the_end(connection, since) for connection in opened]


def post(path: str, *headers: str, body: bytes = b"", kind: str = "application/json") -> bytes:
    """A request as bytes; its length is said where no header says it."""
    said = "".join(f"{header}\r\n" for header in headers)
    if not any(name in said.lower() for name in ("content-length", "transfer-encoding")):
        said += f"Content-Length: {len(body)}\r\n"
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n{said}\r\n".encode() + body


@dataclass
class Bystander:
    """Another client's requests in the meantime."""

    statuses: list[int] = field(default_factory=list)
    slowest: float = 0.0


@contextlib.contextmanager
def answered_throughout(server: Server) -> Iterator[Bystander]:
    """Another client asks all the while; each answer must be 200 and come within `PATIENCE`."""
    seen, stop = Bystander(), threading.Event()
    ask_for_a_code = post("/v1/embed", "Connection: close", body=ROW)

    def ask() -> None:
        while not stop.is_set():
            since = time.monotonic()
            try:
                # A connection of its own each time: new clients must get in, too.
                with connect(server) as connection:
                    connection.sendall(ask_for_a_code)
                    seen.statuses.append(read_to_the_end(connection, since).status)
            except OSError:
                seen.statuses.append(0)
            seen.slowest = max(seen.slowest, time.monotonic() - since)
            stop.wait(0.02)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()
    assert seen.statuses
    assert set(seen.statuses) == {200}, seen.statuses
    assert seen.slowest < PATIENCE, seen.slowest
