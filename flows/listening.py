"""Who hears of a step's progress in this process. Knows neither Prefect nor a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str, int, int, str], None]
"""listener(step, done, total, note)"""

_listener: ContextVar[Listener | None] = ContextVar("_listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have `listener` called for every report made inside this block."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell(step: str, done: int, total: int, note: str) -> None:
    """Tell whoever listens how far a step is."""
    if listener := _listener.get():
        listener(step, done, total, note)
