"""How often a request is sent, and how long is waited in between: decided without a network."""

from __future__ import annotations

import itertools
import math
import secrets
import time
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from service.client.errors import ServiceError
from service.client.wire import Answer, Pause, Request

# A full queue, and a service that has no release yet or stands behind a proxy that has lost it. Not 504: the same rows
# would take as long again.
_REPEATED = (429, 503)
# Never the same twice, also not in processes that were forked; there is nothing to reproduce.
_CHANCE = secrets.SystemRandom()


@dataclass(frozen=True)
class Retries:
    """How a request is repeated that was answered 429 or 503, or whose connection broke.

    Every request may be repeated, POST too: the service only computes, so that a second answer is as good as the
    first, and a request that was answered to nobody has changed nothing. Other refusals would be the same again.

    attempts: how often one request is sent at most; 1: never again.
    first_wait: the n-th wait is drawn evenly from 0 to first_wait * 2 ** (n - 1) seconds, so that clients who were
        refused together do not come back together; what `Retry-After` says comes on top.
    longest_wait: seconds above which the draw does not go.
    """

    attempts: int = 6
    first_wait: float = 0.1
    longest_wait: float = 5.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or not (0 <= self.first_wait < math.inf and 0 <= self.longest_wait < math.inf):
            raise ValueError(f"{self}: attempts of 1 and above, waits of 0 s and above expected")

    def wait(self, failed: int, asked: float, share: float) -> float:
        """Seconds before the next attempt.

        Args:
            failed: attempts so far, from 1.
            asked: seconds that the service asked for.
            share: of the longest wait that may be drawn, 0 to 1.
        """
        return asked + share * min(self.longest_wait, self.first_wait * 2.0 ** min(failed - 1, 60))


@dataclass(frozen=True)
class Limits:
    """timeout: seconds for one request, all its attempts and waits together. attempt_timeout: for one attempt; None:
    what is left of `timeout`."""

    timeout: float = 60.0
    attempt_timeout: float | None = None
    retries: Retries = Retries()

    def __post_init__(self) -> None:
        if not self.timeout > 0 or not (self.attempt_timeout is None or self.attempt_timeout > 0):
            raise ValueError(f"{self}: seconds above 0 expected")


@dataclass(frozen=True)
class Attempt:
    """A request that is to be sent now, and answered within `seconds`."""

    request: Request
    seconds: float


class NoAnswerError(Exception):
    """An attempt without an answer. may_pass: another one may go better."""

    def __init__(self, message: str, *, may_pass: bool) -> None:
        super().__init__(message)
        self.may_pass = may_pass


def attempts(request: Request, address: str, limits: Limits) -> Generator[Attempt | Pause, Answer, Answer]:
    """One request, as often as need be. It yields what to do next, is sent the answer to an attempt, or has raised in
    it why there is none, and returns the answer that is a success.

    Raises:
        ServiceError: it was refused, or not answered in time. Never later than `limits.timeout`, and at once where the
            next attempt would begin later than that.
    """
    if request.ready_within is not None:
        limits = Limits(request.ready_within, None, Retries(attempts=1))
    ends = time.monotonic() + limits.timeout
    for count in itertools.count(1):
        left = max(ends - time.monotonic(), 0.0)
        asked = 0.0
        try:
            answer = yield Attempt(request, min(left, limits.attempt_timeout or left))
        except NoAnswerError as failed:
            error = ServiceError("unreachable", str(failed), None, None, address, count)
            may_pass = failed.may_pass
        else:
            if 200 <= answer.status < 300:
                return answer
            error = answer.refusal(count)
            may_pass = answer.status in _REPEATED
            asked = retry_after(answer.headers.get("Retry-After"), datetime.now(UTC))
        wait = limits.retries.wait(count, asked, _CHANCE.random())
        if not may_pass or count >= limits.retries.attempts or time.monotonic() + wait >= ends:
            raise error
        yield Pause(wait)
    raise AssertionError


def retry_after(value: str | None, now: datetime) -> float:
    """Seconds that a `Retry-After` asks for: a number of them, or a date; 0 where it says neither.

    Source: RFC 9110, section 10.2.3.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        # Longer numbers are no times.
        return float(text[:9])
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    # A date without a zone is in UTC, as HTTP's are.
    date = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    return max((date - now).total_seconds(), 0.0)


def no_answer(error: httpx.HTTPError | TimeoutError, seconds: float) -> NoAnswerError:
    """What is raised where httpx gave up, or where `seconds` were over."""
    if isinstance(error, (httpx.TimeoutException, TimeoutError)):
        return NoAnswerError(f"no answer within {seconds:.3g} s", may_pass=True)
    ours = isinstance(error, (httpx.UnsupportedProtocol, httpx.LocalProtocolError))
    may_pass = isinstance(error, httpx.TransportError) and not ours
    return NoAnswerError(str(error) or type(error).__name__, may_pass=may_pass)
