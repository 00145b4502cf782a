"""How often a key may ask: a token bucket for each, in each worker."""

from __future__ import annotations

import time

from service.errors import RateLimitError
from service.keys.key_file import Key


class Rates:
    """Takes a token for each request of a key.

    A bucket holds what one second brings, and at least one token: so many requests may come at once. Each worker has
    buckets of its own, and connections are spread over workers as the system likes: a service of n workers lets a key
    ask between once and n times its rate.

    Args:
        default: requests a second of a key that has no rate of its own; None is no limit.
    """

    def __init__(self, default: float | None) -> None:
        self._default = default
        # By key id: tokens, and when they were counted. No more than there ever were keys.
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, key: Key) -> None:
        """Take one token of the key's.

        Raises:
            RateLimitError: there is none; it says when there will be.
        """
        rate = key.rate or self._default
        if rate is None:
            return
        now = time.monotonic()
        size = max(rate, 1.0)
        tokens, counted = self._buckets.get(key.id, (size, now))
        tokens = min(size, tokens + (now - counted) * rate)
        if tokens < 1.0:
            self._buckets[key.id] = tokens, now
            raise RateLimitError(
                f"key {key.id} may ask {rate:g} times a second of each worker; try again later",
                retry_seconds=(1.0 - tokens) / rate,
            )
        self._buckets[key.id] = tokens - 1.0, now
