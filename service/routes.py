"""The routes: each is a function of a worker and a request; what can go wrong is answered in one place."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from service import admin as admin_routes
from service import open_inference, operations, page, places
from service.checks import TIMEOUT_HEADER, check_timeout
from service.door.demand_key import MAY_SEE
from service.drift.seen import seen
from service.embeddings import embeddings, listed_models
from service.errors import ANSWERABLE, DeadlineError, MalformedError, UnknownModelError, error_response
from service.formats import json
from service.openapi.document import openapi_document
from service.operations import Worker
from service.release.channels import Channels
from service.release.errors import UnknownReleaseError
from service.release.manifest import Manifest
from service.release.store import ReleaseStore

Operation = Callable[[Worker, Request], Awaitable[Response]]

_ALIASES = ("champion", "previous", "candidate")


async def answered(operation: Operation, worker: Worker, request: Request) -> Response:
    """The operation's answer, or its error in the one shape; never later than the deadline, or the client's own."""
    seconds = worker.settings.deadline_seconds
    try:
        seconds = check_timeout(request.headers.get(TIMEOUT_HEADER), seconds)
        async with asyncio.timeout(seconds):
            return await operation(worker, request)
    except ANSWERABLE as error:
        return error_response(error)
    except TimeoutError:
        return error_response(DeadlineError(f"no answer within {seconds:g} s; send fewer rows at a time"))
    except ClientDisconnect:
        # Nobody is there to read it.
        return error_response(MalformedError("the request ended before its body did"))


async def models(worker: Worker, _request: Request) -> Response:
    """What is live, which releases the channels name, how long the queue is, and what failed."""
    state = Channels(worker.settings.at).read()
    named = [version for alias in _ALIASES if (version := getattr(state, alias)) is not None]
    live = worker.champion.live().release if worker.champion.is_live else None
    versions = dict.fromkeys([*([live] if live else []), *named])
    failure = worker.champion.failure
    return _json(
        {
            "live": live,
            "device": worker.champion.live().runtime.device if live else None,
            "variant": worker.champion.live().runtime.variant if live else None,
            "onnxruntime": worker.champion.live().runtime.setup.as_fields() if live else None,
            "models": [{"release": v, "aliases": state.names(v), "live": v == live} for v in versions],
            "queue": {
                "waiting_rows": worker.batcher.queued_rows,
                "max_rows": worker.settings.max_queued_rows,
            },
            "failure": None if failure is None else {"release": failure.release, "message": failure.message},
            **listed_models(worker.champion, state),
        }
    )


async def model(worker: Worker, request: Request) -> Response:
    """One release, by its version or an alias: its manifest, its aliases, and whether it answers."""
    asked = request.path_params["release"]
    state = Channels(worker.settings.at).read()
    version = getattr(state, asked) if asked in _ALIASES else asked
    if version is None:
        raise UnknownModelError(f"no release is {asked} now", field="release")
    live = worker.champion.live() if worker.champion.is_live else None
    is_live = live is not None and live.release == version
    manifest = live.manifest if live is not None and is_live else await _stored_manifest(worker, version)
    return _json(
        {
            "release": version,
            "aliases": state.names(version),
            "live": is_live,
            "device": live.runtime.device if live is not None and is_live else None,
            "space": manifest.space_id,
            "manifest": manifest.model_dump(mode="json"),
        }
    )


async def _stored_manifest(worker: Worker, version: str) -> Manifest:
    try:
        return await asyncio.to_thread(ReleaseStore(worker.settings.at).manifest, version)
    except UnknownReleaseError as error:
        # The store's own message names a path of this machine.
        raise UnknownModelError(f"no release {version:.80}; GET /v1/models lists some", field="release") from error


async def index(worker: Worker, request: Request) -> Response:
    """A page for people: the routes, and to those who may ask for it what is live."""
    live = worker.champion.live() if worker.champion.is_live else None
    may_see = request.scope.get(MAY_SEE, True)
    html = page.render(live, worker.champion.failure) if may_see else page.render_closed()
    return HTMLResponse(html, headers={"Content-Security-Policy": page.POLICY})


async def openapi(worker: Worker, _request: Request) -> Response:
    """The OpenAPI document of everything that is served here."""
    live = worker.champion.live() if worker.champion.is_live else None
    manifest = None if live is None else live.manifest
    return _json(openapi_document(manifest, admin=worker.settings.admin))


async def metrics(worker: Worker, _request: Request) -> Response:
    """All metrics, as Prometheus reads them."""
    worker.metrics.write()
    content = await asyncio.to_thread(worker.metrics.exposition)
    return Response(content, headers={"Content-Type": worker.metrics.media_type})


class Entry(NamedTuple):
    """A route: what answers a method at a path."""

    path: str
    operation: Operation
    method: str


def entries(*, admin: bool) -> list[Entry]:
    """The routes beside BentoML's own, with or without those that change what is served."""
    changing = [
        Entry("/v1/admin/promote", admin_routes.promote, "POST"),
        Entry("/v1/admin/rollback", admin_routes.rollback, "POST"),
    ]
    return [
        *(changing if admin else []),
        Entry("/v1/embed", operations.embed, "POST"),
        Entry("/v1/embeddings", embeddings, "POST"),
        Entry("/v1/classify", operations.classify, "POST"),
        Entry("/v1/generate", operations.generate, "POST"),
        Entry("/v1/sample", operations.sample, "POST"),
        Entry("/v1/reconstruct", operations.reconstruct, "POST"),
        Entry("/v1/score", places.score, "POST"),
        Entry("/v1/neighbors", places.neighbors, "POST"),
        Entry("/v1/interpolate", places.interpolate, "POST"),
        Entry("/v1/models", models, "GET"),
        Entry("/v1/models/{release}", model, "GET"),
        Entry("/v1/drift", seen, "GET"),
        *(Entry(*entry) for entry in open_inference.ROUTES),
        Entry("/openapi.json", openapi, "GET"),
        # BentoML's document lacks mounted routes, and its page loads scripts of a third party.
        Entry("/docs.json", openapi, "GET"),
        Entry("/metrics", metrics, "GET"),
        Entry("/", index, "GET"),
    ]


def route_of(entry: Entry) -> Route:
    """An entry as Starlette's router has it."""

    async def endpoint(request: Request) -> Response:
        return await answered(entry.operation, request.app.state.worker, request)

    return Route(entry.path, endpoint, methods=[entry.method], name=f"{entry.method} {entry.path}")


def _json(content: dict[str, Any]) -> Response:
    return Response(json.write(content), media_type="application/json")
