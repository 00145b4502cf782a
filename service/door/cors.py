"""Which web pages may ask: none but those of the service itself, unless `MANIFOLD_CORS_ORIGINS` names them."""

from __future__ import annotations

from typing import Any, Final

# A browser asks before it asks, without a key: starlette's own middleware answers it, and only for origins named here.
OPTIONS: Final[dict[str, Any]] = {
    "allow_methods": ("GET", "POST"),
    "allow_headers": ("Authorization", "X-API-Key", "Content-Type", "Accept"),
    "expose_headers": ("X-Manifold-Space", "X-Manifold-Release", "Retry-After"),
}
