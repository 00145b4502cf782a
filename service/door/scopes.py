"""What a key must be for, by path. What is not named here is for keys of the scope `infer`: a new route is shut."""

from __future__ import annotations

from typing import Final

from service.keys.key_file import Scope

# Those who keep a service running ask these, and have no key: probes of containers, balancers, supervisors.
PROBES: Final = frozenset({"/livez", "/readyz", "/healthz"})
# Without a key it says which routes there are, and nothing of what is served.
PAGE: Final = "/"
ADMIN: Final = "/v1/admin"


def needed_scope(path: str, *, admin: bool) -> Scope:
    """The scope that a path asks for.

    Args:
        path: as routes are matched: decoded, without the query.
        admin: whether the admin routes are on. Where they are off they are paths like any other that is not there.
    """
    if path == "/metrics":
        return "metrics"
    return "admin" if admin and path.startswith(ADMIN) else "infer"
