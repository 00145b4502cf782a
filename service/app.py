"""The Starlette application that BentoML mounts: the routes, and the worker they work with."""

from __future__ import annotations

from starlette.applications import Starlette

from service.routes import routes


def create_app(*, admin: bool = False) -> Starlette:
    """The application, with or without the admin routes. Its `state.worker` is set when the process that serves it
    starts."""
    return Starlette(routes=routes(admin=admin))
