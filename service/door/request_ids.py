"""The name of each request, by which a client and a log speak of the same one."""

from __future__ import annotations

import itertools
import os
import re
from contextvars import ContextVar
from typing import Final

HEADER: Final = b"x-request-id"

# What is accepted from outside goes into headers and logs: nothing that could break out of either.
_SANE = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")

# Of the request that is answered, wherever its answer is worked on; "" outside of one.
current_request_id: ContextVar[str] = ContextVar("current_request_id", default="")


class RequestIds:
    """Takes over what the client calls its request, or makes a name: this process's random one, and a number."""

    def __init__(self) -> None:
        self._process = os.urandom(8).hex()
        self._count = itertools.count(1)

    def of(self, headers: list[tuple[bytes, bytes]]) -> str:
        """The id of a request with these headers: a sane `X-Request-Id` as it came, else a new one."""
        for name, value in headers:
            if name == HEADER:
                if _SANE.fullmatch(value):
                    return value.decode("ascii")
                break
        return f"{self._process}-{next(self._count):x}"
