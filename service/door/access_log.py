"""One line for some answered requests: what was asked, how it ended, how long it took. Never rows, keys or queries."""

from __future__ import annotations

import logging

# Below BentoML's own logger, whose handlers and format a served process has.
_logger = logging.getLogger("bentoml.manifold.access")


class AccessLog:
    """Writes a share of the answers.

    Args:
        sample: the share, 0 to 1; with 0.01 it is every hundredth. Answers of 500 and more are always written, but for
            503, which says no more than that the service is not ready.
    """

    def __init__(self, sample: float) -> None:
        self._sample = sample
        self._due = 0.0

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        """Write an answer's line, or not; the route is a template, never the path as the client wrote it."""
        self._due += self._sample
        if self._due >= 1:
            self._due -= 1
        elif status < 500 or status == 503:
            return
        _logger.info(
            "%s %s %d in %.1f ms",
            method,
            route,
            status,
            seconds * 1e3,
            extra={"method": method, "route": route, "status": status, "seconds": round(seconds, 6)},
        )
