"""What a program is told when there is no answer."""

from __future__ import annotations


class ServiceError(Exception):
    """The service refused, or could not be reached.

    Attributes:
        code: as the service names it, or "unreachable", "champion_changed", "not_understood" (an answer that is none
            of this service's), "unknown" (a refusal that is none of them).
        message: one plain line.
        field: the part of the request that it is about, or None.
        status: the HTTP status, or None where there was no answer.
        address: what was asked, as "POST http://localhost:3000/v1/embed", or None where nothing was.
        attempts: how often.
    """

    def __init__(
        self,
        code: str,
        message: str,
        field: str | None = None,
        status: int | None = None,
        address: str | None = None,
        attempts: int = 1,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.status = status
        self.address = address
        self.attempts = attempts

    def __str__(self) -> str:
        where = [self.code if self.status is None else f"{self.status} {self.code}"]
        where += [f"field {self.field}"] if self.field else []
        where += [self.address] if self.address else []
        where += [f"{self.attempts} attempts"] if self.attempts > 1 else []
        return f"{self.message} ({', '.join(where)})"
