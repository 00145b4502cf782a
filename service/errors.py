"""What can be wrong with a request, and the one table that says it in HTTP.

RequestError                 a request that cannot be answered as asked
├── MalformedError           the body is not what its content type says
├── NoKeyError               no key came, or none that is known and in force
├── WrongScopeError          the key is for something else
├── UnknownModelError        no such release or alias
├── NoClassifierError        the live release cannot say which label a row has
├── NotKeptError             the live release does not keep what this needs
├── WrongSpaceError          the code belongs to another coordinate system than the live release's
├── TooLargeError            more bytes or rows than the service accepts
├── UnsupportedTypeError     a content type, content encoding or answer type that is not spoken
├── InvalidValueError        well-formed, but of the wrong shape or value
├── QueueFullError           too many rows wait already
├── RateLimitError           the key has asked more often than it may
├── NotReadyError            no release is live yet
└── DeadlineError            the answer would have come too late

Errors of releases (`service.release.errors`) and of models (`service.sessions`) know no HTTP either; they are
in the table below too.
"""

from __future__ import annotations

import math
from typing import Final

import orjson
from starlette.responses import Response

from service.release.errors import ReleaseError, UnknownReleaseError
from service.sessions import ModelError


class RequestError(Exception):
    """The base; `message` is one plain line for the client, `field` the part of the request it is about."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        # It may hold some of what came: line breaks, control characters, halves of a surrogate pair.
        plain = message if message.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in message)
        super().__init__(plain)
        self.message = plain
        self.field = field


class MalformedError(RequestError):
    """The body is not what its content type says."""


class NoKeyError(RequestError):
    """No key came, or none that is known and in force."""


class WrongScopeError(RequestError):
    """The key is for something else."""


class UnknownModelError(RequestError):
    """No such release or alias."""


class NoClassifierError(RequestError):
    """The live release cannot say which label a row has."""


class NotKeptError(RequestError):
    """The live release does not keep what this needs: the spread of its codes, or reference codes."""


class WrongSpaceError(RequestError):
    """The code belongs to another coordinate system than the live release's."""


class TooLargeError(RequestError):
    """More bytes or rows than the service accepts."""


class UnsupportedTypeError(RequestError):
    """A content type, content encoding or answer type that is not spoken."""


class InvalidValueError(RequestError):
    """Well-formed, but of the wrong shape or value."""


class QueueFullError(RequestError):
    """Too many rows wait already; `retry_after` is in how many seconds those will have run."""

    def __init__(self, message: str, *, field: str | None = None, retry_after: float = 1.0) -> None:
        super().__init__(message, field=field)
        self.retry_after = retry_after


class RateLimitError(RequestError):
    """The key has asked more often than it may; after `retry_seconds` the next request is taken."""

    def __init__(self, message: str, *, field: str | None = None, retry_seconds: float = 1.0) -> None:
        super().__init__(message, field=field)
        self.retry_seconds = retry_seconds


class NotReadyError(RequestError):
    """No release is live yet."""


class DeadlineError(RequestError):
    """The answer would have come too late."""


Answerable = RequestError | ReleaseError | ModelError
ANSWERABLE: Final = (RequestError, ReleaseError, ModelError)

# The first that fits counts.
_STATUS: Final[tuple[tuple[type[Exception], int], ...]] = (
    (MalformedError, 400),
    (NoKeyError, 401),
    (WrongScopeError, 403),
    (UnknownModelError, 404),
    (NoClassifierError, 404),
    (NotKeptError, 404),
    (UnknownReleaseError, 404),
    (WrongSpaceError, 409),
    (TooLargeError, 413),
    (UnsupportedTypeError, 415),
    (InvalidValueError, 422),
    (QueueFullError, 429),
    (RateLimitError, 429),
    (NotReadyError, 503),
    (DeadlineError, 504),
    (ReleaseError, 503),
    (ModelError, 503),
)

CODES: Final = {
    400: "malformed",
    401: "no_valid_key",
    403: "wrong_scope",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    409: "wrong_space",
    413: "too_large",
    415: "unsupported_type",
    422: "invalid_value",
    429: "queue_full",
    431: "head_too_large",
    500: "internal",
    503: "not_ready",
    504: "deadline",
}

# Where one status has two.
RATE_LIMIT_CODE: Final = "rate_limit"

# What a full queue or a service that is not ready says where it knows no better; both may be over in a moment.
RETRY_AFTER: Final = {429: "1", 503: "1"}


def error_response(error: Answerable) -> Response:
    """The answer to a request that ended in `error`."""
    status = next(status for kind, status in _STATUS if isinstance(error, kind))
    field = error.field if isinstance(error, RequestError) else None
    response = shaped_response(status, str(error), field)
    if isinstance(error, NoKeyError):
        response.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, RateLimitError):
        response = Response(_body(RATE_LIMIT_CODE, str(error), field), status, media_type="application/json")
        # Whole seconds: less would be an invitation to come too early.
        response.headers["Retry-After"] = str(math.ceil(error.retry_seconds))
    if isinstance(error, QueueFullError):
        # Whole seconds, as HTTP has them.
        response.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    return response


def shaped_response(status: int, message: str, field: str | None = None) -> Response:
    """An error in the one shape: `{"error": {"code", "message", "field"}}`."""
    headers = {"Retry-After": RETRY_AFTER[status]} if status in RETRY_AFTER else None
    return Response(shaped_body(status, message, field), status, headers, "application/json")


def shaped_body(status: int, message: str, field: str | None = None) -> bytes:
    """The body of an error; a status that the table lacks takes the code of its hundred."""
    code = CODES.get(status) or CODES[500 if status >= 500 else 400]
    return _body(code, message, field)


def _body(code: str, message: str, field: str | None) -> bytes:
    return orjson.dumps({"error": {"code": code, "message": message, "field": field}})


def speaks_protocol(path: str) -> bool:
    """Whether a path is one of the Open Inference Protocol, which has errors of its own shape."""
    return path == "/v2" or path.startswith("/v2/")


def protocol_body(message: str) -> bytes:
    """The body of an error as the Open Inference Protocol has it."""
    return orjson.dumps({"error": message})
