"""The admin routes, which are off unless `MANIFOLD_ADMIN=true`: promote a release, roll back, over HTTP.

They move the channel, as `manifold releases` does; every worker then sees it move. Who asked is a key, and the journal
names it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from service.door.demand_key import key_of
from service.errors import InvalidValueError, NoKeyError, UnknownModelError
from service.formats import json
from service.formats.request import read_fields
from service.operations import Worker
from service.release.channels import Channels, ChannelState
from service.release.errors import ChannelError, IntegrityError, ManifestError, UnknownReleaseError
from service.release.integrity import verify_release
from service.release.store import ReleaseStore
from service.runtime import ModelError, Runtime

logger = logging.getLogger("bentoml.manifold")

_CHANNELS = ("candidate", "previous")
_LONGEST_REASON = 500


async def promote(worker: Worker, request: Request) -> Response:
    """Make a release the champion, once its files and its golden batch have been checked on this device."""
    who = _who(request)
    fields = await _fields(request, ("release", "why"))
    version, why = _text(fields, "release", None), _text(fields, "why", "asked for over HTTP")
    channels = Channels(worker.settings.at)
    if version in _CHANNELS:
        named: str | None = getattr(channels.read(), version)
        if named is None:
            raise UnknownModelError(f"no release is {version} now", field="release")
        version = named
    verdict = await asyncio.to_thread(_checked, worker, version)
    return await _moved(lambda: channels.promote(version, who=who, why=why, verdict=verdict))


async def rollback(worker: Worker, request: Request) -> Response:
    """Make the previous champion the champion again; the two change places."""
    who = _who(request)
    why = _text(await _fields(request, ("why",)), "why", "asked for over HTTP")
    channels = Channels(worker.settings.at)
    if channels.read().previous is None:
        raise UnknownModelError("there is no previous champion to go back to")
    return await _moved(lambda: channels.rollback(who=who, why=why))


def _who(request: Request) -> str:
    key = key_of(request.scope)
    # The door lets nobody else in; this is the lock on the room itself.
    if key is None or "admin" not in key.scopes:
        raise NoKeyError("a key for admin is needed", field="Authorization")
    return f"key {key.id} ({key.name})"


async def _fields(request: Request, allowed: tuple[str, ...]) -> dict[str, Any]:
    body = await request.body()
    return read_fields(body or b"{}", request.headers.get("content-type"), request.query_params, allowed)


def _text(fields: dict[str, Any], name: str, default: str | None) -> str:
    value = fields.get(name, default)
    if value is None:
        raise InvalidValueError(f"{name}: missing; text expected", field=name)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_REASON or not value.isprintable():
        raise InvalidValueError(f"{name}: one line of at most {_LONGEST_REASON} characters expected", field=name)
    return value


def _checked(worker: Worker, version: str) -> str:
    """What the checks of a release say, for the journal."""
    settings = worker.settings
    try:
        folder = ReleaseStore(settings.at).folder(version)
        manifest = verify_release(folder)
        runtime = Runtime.load(folder, manifest, device=settings.device)
        runtime.reproduce_golden()
    except UnknownReleaseError as error:
        # The store's own message names a path of this machine.
        raise UnknownModelError(f"no release {version:.80}; GET /v1/models lists some", field="release") from error
    except (IntegrityError, ManifestError, ModelError) as error:
        raise InvalidValueError(f"release: {version:.80} did not pass its checks: {error}", field="release") from error
    passed = f"{len(manifest.files)} files verified, golden batch of {manifest.golden.rows} reproduced"
    return f"{passed} on {runtime.device}"


async def _moved(move: Callable[[], ChannelState]) -> Response:
    try:
        state = await asyncio.to_thread(move)
    except OSError as error:
        raise ChannelError(f"the channels cannot be moved from here: {error.strerror}") from error
    if state.move is not None:
        logger.info("%s of %s by %s", state.move.action, state.move.release, state.move.who)
    content = {"champion": state.champion, "previous": state.previous, "candidate": state.candidate}
    return Response(json.write(content), media_type="application/json")
