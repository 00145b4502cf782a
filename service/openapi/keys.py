"""How the document says that keys are demanded: two ways to show one, and what is answered without."""

from __future__ import annotations

from typing import Final

from service.door.scopes import PAGE, PROBES
from service.errors import speaks_protocol
from service.openapi.inference import protocol_errors
from service.openapi.parts import Part, error_references

_SCHEMES: Final[Part] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "an API key, once the service's home holds keys"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "the same"},
}
# Either; or none, where the home holds no keys.
_DEMANDED: Final[list[Part]] = [{"bearer": []}, {"header": []}, {}]
_REFUSALS: Final = (401, 403, 429)


def with_keys(document: Part) -> Part:
    """The document, each operation with the answers of a door that lets nobody in without a key; probes without."""
    paths = {
        path: {method: _told(operation, path) for method, operation in operations.items()}
        for path, operations in document["paths"].items()
    }
    components = document["components"] | {"securitySchemes": _SCHEMES}
    return document | {"paths": paths, "components": components, "security": _DEMANDED}


def _told(operation: Part, path: str) -> Part:
    if path in PROBES or path == PAGE:
        return operation | {"security": []}
    refusals = protocol_errors(*_REFUSALS) if speaks_protocol(path) else error_references(*_REFUSALS)
    return operation | {"responses": refusals | operation["responses"]}
