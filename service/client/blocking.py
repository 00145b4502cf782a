"""The client of programs that wait for an answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Self, TypeVar

import httpx

from service.client.attempts import Attempt, NoAnswerError, attempts, no_answer
from service.client.errors import ServiceError
from service.client.method import Blocking
from service.client.methods import Methods
from service.client.wire import Answer, Done, Parts, Pause, Plan, Request, Step, advance

T = TypeVar("T")
S = TypeVar("S")
R = TypeVar("R")


class ManifoldClient(Methods, Blocking):
    """Talks to one service, over connections that are kept.

    Several threads may use one client, each request of theirs over a connection of its own; a process that was forked
    off may not, and makes its own. Its arguments are in `Methods`.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def run(self, plan: Plan[T]) -> T:
        return _driven(plan, self._reply)

    def _open(self) -> None:
        # As many connections as there are threads that ask at a time.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=32)
        self._http = httpx.Client(base_url=self.url, headers=self._headers, limits=limits)

    def _reply(self, step: Step) -> list[Answer] | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        return self._answers(step)

    def _answers(self, parts: Parts) -> list[Answer]:
        answers: list[Answer] = []
        for request in parts.requests:
            answers.append(self._answer(request))
            if parts.one_origin and answers[-1].origin != answers[0].origin:
                break
        return answers

    def _answer(self, request: Request) -> Answer:
        return _driven(attempts(request, self._address(request), self.limits), self._sent)

    def _sent(self, attempt: Attempt | Pause) -> Answer | None:
        if isinstance(attempt, Pause):
            time.sleep(attempt.seconds)
            return None
        request = attempt.request
        ends = time.monotonic() + attempt.seconds
        try:
            with self._http.stream(
                request.method,
                request.path,
                params=request.params,
                headers=request.headers,
                content=request.content,
                timeout=attempt.seconds,
            ) as response:
                content = bytearray()
                # httpx's time is that between two of these: an answer that trickles in would never be late.
                for part in response.iter_bytes():
                    content += part
                    if time.monotonic() > ends:
                        raise TimeoutError
                return Answer(response.status_code, response.headers, bytes(content), self._address(request))
        except (httpx.HTTPError, TimeoutError) as error:
            raise no_answer(error, attempt.seconds) from error


def _driven(generator: Generator[S, R, T], reply_to: Callable[[S], R | None]) -> T:
    """What a generator returns that is told the replies to its steps, or that there are none."""
    reply: R | None = None
    error: Exception | None = None
    while not isinstance(step := advance(generator, reply, error), Done):
        reply = error = None
        try:
            reply = reply_to(step)
        except (ServiceError, NoAnswerError) as failed:
            error = failed
    return step.value
