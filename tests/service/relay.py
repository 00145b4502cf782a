"""A way to a real service that can be made to fail as networks do: cut, silent, or somebody else's."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

# What is done with one connection of a client, and the service's address.
Turn = Callable[[socket.socket, tuple[str, int]], None]


class Relay:
    """Listens for clients.

    Args:
        url: of the service behind it.
        turns: what is done with the first connections; those after them lead to the service.
    """

    def __init__(self, url: str, *turns: Turn) -> None:
        parts = urlsplit(url)
        self._service = (str(parts.hostname), int(parts.port or 80))
        self._turns = turns
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self.ended = threading.Semaphore(0)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        # Closing alone would leave the thread waiting.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                turn = self._turns[self.connections] if self.connections < len(self._turns) else leads_on()
                self.connections += 1
                threading.Thread(target=self._serve, args=(client, turn), daemon=True).start()

    def _serve(self, client: socket.socket, turn: Turn) -> None:
        with client, contextlib.suppress(OSError):
            turn(client, self._service)
            # Closing alone would wait for the thread that reads from it.
            client.shutdown(socket.SHUT_RDWR)
        self.ended.release()


@contextlib.contextmanager
def relay(url: str, *turns: Turn) -> Iterator[Relay]:
    running = Relay(url, *turns)
    try:
        yield running
    finally:
        running.close()


def leads_on(answer_bytes: int | None = None) -> Turn:
    """To the service, and back; the connection breaks after so many bytes of answers."""

    def turn(client: socket.socket, service: tuple[str, int]) -> None:
        with socket.create_connection(service) as upstream:
            threading.Thread(target=_pump, args=(client, upstream), daemon=True).start()
            left = answer_bytes
            while (left is None or left > 0) and (data := upstream.recv(65536 if left is None else left)):
                client.sendall(data)
                left = None if left is None else left - len(data)

    return turn


def says(answer: bytes, again_after: float | None = None) -> Turn:
    """Reads a request, and says the same whatever it is; then goes on one letter at a time."""

    def turn(client: socket.socket, _service: tuple[str, int]) -> None:
        client.recv(65536)
        client.sendall(answer)
        while again_after is not None:
            time.sleep(again_after)
            client.sendall(b"x")

    return turn


def is_silent() -> Turn:
    """Never answers; ends when the client does."""

    def turn(client: socket.socket, _service: tuple[str, int]) -> None:
        while client.recv(65536):
            pass

    return turn


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_RDWR)
