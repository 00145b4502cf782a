"""What is said and what is understood, without a network.

A plan is a generator: it yields steps, is sent the answers to each, and returns what its caller asked for. Who drives
it decides how a step is done, so that one plan serves programs that wait and programs that await.
"""

from __future__ import annotations

import io
import json
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from service.client.errors import ServiceError

T = TypeVar("T")
S = TypeVar("S")
R = TypeVar("R")

JSON = "application/json"
NPY = "application/x-npy"
PNG = "image/png"


class Origin(NamedTuple):
    """Where an answer comes from."""

    space: str
    release: str


@dataclass(frozen=True)
class Request:
    """One request.

    method, path, params, headers, content: of HTTP; the path is below the service's address.
    ready_within: seconds in which it is asked once; None: as the client asks.
    """

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    ready_within: float | None = None


@dataclass(frozen=True)
class Answer:
    """One answer; `headers` are found in any case, `address` is what was asked."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    address: str

    @property
    def origin(self) -> Origin:
        """The space and the release.

        Raises:
            ServiceError: it says neither.
        """
        try:
            return Origin(self.headers["X-Manifold-Space"], self.headers["X-Manifold-Release"])
        except KeyError as error:
            raise self._not_understood("it names no release") from error

    def array(self) -> npt.NDArray[np.float32]:
        """The npy. Raises ServiceError where it is none."""
        try:
            array: npt.NDArray[np.float32] = np.load(io.BytesIO(self.content), allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise self._not_understood(f"no npy: {error}") from error
        return array

    def fields(self) -> dict[str, Any]:
        """The JSON object. Raises ServiceError where it is none."""
        try:
            fields = json.loads(self.content)
        except ValueError as error:
            raise self._not_understood(f"no JSON: {error}") from error
        if not isinstance(fields, dict):
            raise self._not_understood("no JSON object")
        return fields

    def refusal(self, attempts: int = 1) -> ServiceError:
        """What an answer that is no success says."""
        try:
            said = json.loads(self.content)["error"]
            code, message, field = str(said["code"]), str(said["message"]), said["field"]
        except (ValueError, KeyError, TypeError):
            code, message, field = "unknown", self.content[:200].decode("utf-8", "replace") or "an empty answer", None
        return ServiceError(code, message, field, self.status, self.address, attempts)

    def _not_understood(self, what: str) -> ServiceError:
        message = f"this is no answer of Manifold's: {what}"
        return ServiceError("not_understood", message, None, self.status, self.address)


@dataclass(frozen=True)
class Parts:
    """Requests that belong together. Their answers come in this order; after one of another origin than the first the
    rest is not asked for."""

    requests: Iterator[Request]
    one_origin: bool = True


@dataclass(frozen=True)
class Pause:
    """Seconds in which nothing is asked."""

    seconds: float


Step = Parts | Pause
Plan = Generator[Step, list[Answer], T]


@dataclass(frozen=True)
class Done(Generic[T]):
    """What a generator returned."""

    value: T


def advance(generator: Generator[S, R, T], reply: R | None, error: Exception | None = None) -> S | Done[T]:
    """The next step of a generator, told the reply to its last one, or the error that is raised there."""
    try:
        if error is not None:
            return generator.throw(error)
        return next(generator) if reply is None else generator.send(reply)
    except StopIteration as end:
        return Done(end.value)


def one(request: Request) -> Plan[Answer]:
    """A plan of one request."""
    (answer,) = yield Parts(iter([request]), one_origin=False)
    return answer
