"""`GET /v1/drift`: what the service has seen of late of the live release's rows, as counts. No verdict."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from service.drift.sightings import empty_sketch, is_sketched
from service.drift.sketch import P_ENDS, Sketch
from service.formats import json
from service.operations import Worker

_LATE: Final = timedelta(hours=24)


async def seen(worker: Worker, _request: Request) -> Response:
    """Rows of the last 24 hours, of all workers of this home: how many came, how many were sketched, and where."""
    live = worker.champion.live()
    watched = worker.settings.drift and is_sketched(live)
    since = datetime.now(UTC) - _LATE
    windows = await asyncio.to_thread(worker.sightings.windows, live.release, since) if watched else []
    said: dict[str, object] = {
        "release": live.release,
        "space": live.manifest.space_id,
        "watched": watched,
        "since": min((window.since for window in windows), default=None),
        "until": max((window.until for window in windows), default=None),
        "seen": sum(window.seen for window in windows),
        "unwritten": worker.sightings.unwritten is not None,
        "p_ends": P_ENDS,
    }
    if watched:
        sketch: Sketch = reduce(Sketch.merged, (window.sketch.sketch() for window in windows), empty_sketch(live))
        for name in ("latent_p", "reconstruction_p", "cells"):
            said[name] = getattr(sketch, name).tolist()
        said["rows"] = sketch.rows
    return Response(json.write(said), media_type="application/json")
