"""The client of programs that await an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterator
from types import TracebackType
from typing import Self, TypeVar

import httpx

from service.client.attempts import Attempt, NoAnswerError, Retries, attempts, no_answer
from service.client.errors import ServiceError
from service.client.method import Awaited
from service.client.methods import Methods
from service.client.wire import Answer, Done, Parts, Pause, Plan, Request, Step, advance

T = TypeVar("T")
S = TypeVar("S")
R = TypeVar("R")

# Of one big input: more would fill the service's queue and leave no place to others.
_PARTS_AT_ONCE = 4


class AsyncManifoldClient(Methods, Awaited):
    """Talks to one service from the tasks of one event loop, over connections that are kept.

    A task that is cancelled leaves no request and no connection behind.

    Args:
        url: as `Methods` has it, like the further arguments.
        concurrency: requests in flight at a time, of all tasks; further ones wait for a place before their time
            begins. A big input takes at most 4.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout: float = 60.0,
        attempt_timeout: float | None = None,
        retries: Retries | None = None,
        rows_per_request: int = 1024,
        concurrency: int = 32,
    ) -> None:
        if concurrency < 1:
            raise ValueError(f"concurrency: {concurrency} came, 1 or more expected")
        self._concurrency = concurrency
        self._places = asyncio.Semaphore(concurrency)
        super().__init__(
            url,
            api_key=api_key,
            timeout=timeout,
            attempt_timeout=attempt_timeout,
            retries=retries,
            rows_per_request=rows_per_request,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def run(self, plan: Plan[T]) -> T:
        return await _driven(plan, self._reply)

    def _open(self) -> None:
        limits = httpx.Limits(max_connections=self._concurrency, max_keepalive_connections=self._concurrency)
        self._http = httpx.AsyncClient(base_url=self.url, headers=self._headers, limits=limits)

    async def _reply(self, step: Step) -> list[Answer] | None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        return await self._answers(step)

    async def _answers(self, parts: Parts) -> list[Answer]:
        waiting = enumerate(parts.requests)
        answers: dict[int, Answer] = {}
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(_PARTS_AT_ONCE, self._concurrency)):
                    group.create_task(self._answer_next(waiting, answers, one_origin=parts.one_origin))
        except BaseExceptionGroup as errors:
            # Where several were refused, one of them says why.
            raise errors.exceptions[0] from None
        return [answers[number] for number in sorted(answers)]

    async def _answer_next(
        self, waiting: Iterator[tuple[int, Request]], answers: dict[int, Answer], *, one_origin: bool
    ) -> None:
        for number, request in waiting:
            answers[number] = await self._answer(request)
            if one_origin and len({answer.origin for answer in answers.values()}) > 1:
                break

    async def _answer(self, request: Request) -> Answer:
        async with self._places:
            return await _driven(attempts(request, self._address(request), self.limits), self._sent)

    async def _sent(self, attempt: Attempt | Pause) -> Answer | None:
        if isinstance(attempt, Pause):
            await asyncio.sleep(attempt.seconds)
            return None
        request = attempt.request
        try:
            async with asyncio.timeout(attempt.seconds):
                response = await self._http.request(
                    request.method,
                    request.path,
                    params=request.params,
                    headers=request.headers,
                    content=request.content,
                    timeout=attempt.seconds,
                )
        except (httpx.HTTPError, TimeoutError) as error:
            raise no_answer(error, attempt.seconds) from error
        return Answer(response.status_code, response.headers, response.content, self._address(request))


async def _driven(generator: Generator[S, R, T], reply_to: Callable[[S], Awaitable[R | None]]) -> T:
    """What a generator returns that is told the replies to its steps, or that there are none."""
    reply: R | None = None
    error: Exception | None = None
    while not isinstance(step := advance(generator, reply, error), Done):
        reply = error = None
        try:
            reply = await reply_to(step)
        except (ServiceError, NoAnswerError) as failed:
            error = failed
    return step.value
