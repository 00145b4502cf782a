"""The description of what `service.drift.seen` answers."""

from __future__ import annotations

from typing import Final

from service.openapi.parts import Part

_COUNTS: Final[Part] = {"type": "array", "items": {"type": "integer", "minimum": 0}}
_TIME: Final[Part] = {"type": ["string", "null"], "format": "date-time"}
DRIFT: Final[Part] = {
    "type": "object",
    "required": ["release", "space", "watched", "since", "until", "seen", "unwritten", "p_ends"],
    "properties": {
        "release": {"type": "string"},
        "space": {"type": "string"},
        "watched": {"type": "boolean", "description": "false where it is turned off, or the release is one of before"},
        "since": _TIME | {"description": "when the first row came"},
        "until": _TIME | {"description": "when it was written last; the newest rows are a few seconds late"},
        "seen": {"type": "integer", "minimum": 0, "description": "rows that came, of all workers"},
        "rows": {"type": "integer", "minimum": 0, "description": "codes among them that were added up"},
        "unwritten": {"type": "boolean", "description": "true where this worker cannot write: then these are its own"},
        "p_ends": {"type": "array", "items": {"type": "number"}, "description": "where the bins of p-values end"},
        "latent_p": _COUNTS | {"description": "rows by the p-value of their latent distance, a number a bin"},
        "reconstruction_p": _COUNTS | {"description": "rows by that of their reconstruction error, where it is known"},
        "cells": _COUNTS | {"description": "rows by the nearest of the release's cells"},
    },
}
