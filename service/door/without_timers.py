"""BentoML's own timeout, taken out: for each request it leaves a timer behind that is never cancelled, and with it some
10 kB until the timeout is over, an hour as it is set here. Each route has a deadline of its own (`service.routes`).
"""

from __future__ import annotations

from bentoml._internal.server.http import traffic
from starlette.types import ASGIApp


def leave_no_timers() -> None:
    """Let BentoML put nothing in the place of its timeout. It has no setting for that: a timeout must be above 0."""
    traffic.TimeoutMiddleware = _pass_on  # type: ignore[assignment,misc]


def _pass_on(app: ASGIApp, timeout: float) -> ASGIApp:  # noqa: ARG001  (BentoML's signature)
    return app
