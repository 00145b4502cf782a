"""The BentoML service: wiring only. `bentoml serve` from the repository's root serves the champion."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Protocol

# Only this exact word stops BentoML's telemetry.
os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")

import bentoml
import click
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.utils.analytics import usage_stats
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from service import operations, places
from service.app import create_app
from service.door import cors
from service.door.access_log import AccessLog
from service.door.body_limit import BodyLimit
from service.door.connections import guard_connections
from service.door.counting import CountRequests
from service.door.demand_key import DemandKey
from service.door.observing import ObserveAnswers
from service.door.one_shape import OneShape
from service.door.protective_headers import ProtectiveHeaders
from service.door.tracing import TraceRequests
from service.door.without_timers import leave_no_timers
from service.errors import NotReadyError
from service.front import Layer, put_in_front
from service.garbage import keep_out_of_collections
from service.keys.address import OpenAddressError, refuse_open_address
from service.keys.key_file import KeyFile, KeyFileError
from service.logs import set_up_logs
from service.metrics import Metrics
from service.native import (
    ClassesAnswer,
    CodesAnswer,
    CodesBody,
    PlainRowsBody,
    RowsAnswer,
    RowsBody,
    ScoresAnswer,
)
from service.operations import Worker
from service.routes import Operation, answered
from service.runtime import DeviceUnavailableError, resolve_device
from service.settings import SettingsError, read_settings
from service.tracing import Tracing
from service.watch import Outcomes, Watch

# Its command line has read the variable, and kept what it read, before it came to import us.
usage_stats.do_not_track.cache_clear()

try:
    settings = read_settings()
except SettingsError as error:
    raise SystemExit(f"manifold: {error}") from error

set_up_logs(settings.log_format)
metrics = Metrics()
tracing = Tracing() if settings.tracing else None
if tracing is not None:
    metrics.stage_listener = tracing.stage
outcomes = Outcomes()
app = create_app(admin=settings.admin)
guard_connections()
leave_no_timers()


def _workers() -> int:
    """The processes that BentoML serves with; 1 where its configuration names no number of them."""
    service: Any = Manifold
    stated = service.config.get("workers", 1)
    return stated if isinstance(stated, int) else os.cpu_count() or 1


class _Hook(Protocol):
    """BentoML's decorators have no types of their own."""

    def __call__(self, method: Callable[[Any], Awaitable[None]], /) -> Callable[[Any], Awaitable[None]]: ...


class _Endpoint(Protocol):
    def __call__(self, method: Callable[..., Awaitable[Response]], /) -> Any: ...


_on_startup: _Hook = bentoml.on_startup
_on_shutdown: _Hook = bentoml.on_shutdown
_before_workers: Callable[[Callable[[], None]], Callable[[], None]] = bentoml.on_deployment
_embed_endpoint: _Endpoint = bentoml.api(route="/embed", input_spec=RowsBody, output_spec=CodesAnswer)
_classify_endpoint: _Endpoint = bentoml.api(route="/classify", input_spec=PlainRowsBody, output_spec=ClassesAnswer)
_score_endpoint: _Endpoint = bentoml.api(route="/score", input_spec=PlainRowsBody, output_spec=ScoresAnswer)
_reconstruct_endpoint: _Endpoint = bentoml.api(route="/reconstruct", input_spec=PlainRowsBody, output_spec=RowsAnswer)
_generate_endpoint: _Endpoint = bentoml.api(route="/generate", input_spec=CodesBody, output_spec=RowsAnswer)


@bentoml.service(
    name="manifold",
    description="Serves the encoder and the decoder of a learned manifold.",
    workers=1,
    # Where no --host is said: BentoML's default is every address. In a container that is the right one.
    http={} if "BENTOML_CONTAINERIZED" in os.environ else {"host": "127.0.0.1"},
    # For BentoML's clients, who wait as long. Here ours (MANIFOLD_DEADLINE_SECONDS, at most an hour) is the only one.
    traffic={"timeout": 3700},
    logging={"access": {"enabled": False}},
    # Its labels are paths as clients write them; see service.metrics, which keeps /metrics.
    metrics={"enabled": False},
    # Its spans cost more than the work, and know no stages; see service.tracing.
    tracing={"excluded_urls": ".*"},
    envs=[
        {"name": "OTEL_SDK_DISABLED", "value": "false" if settings.tracing else "true"},
        {"name": "BENTOML_DO_NOT_TRACK", "value": "True"},
    ],
)
@bentoml.asgi_app(app, path="/")
class Manifold:
    """Embeds rows and generates rows with the champion release."""

    def __init__(self) -> None:
        self.worker = Worker.create(settings, metrics, _workers())
        self._seeing: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None
        self._watch = Watch(settings, self.worker.champion, outcomes)
        self._watching: asyncio.Task[None] | None = None

    @_before_workers
    @staticmethod
    def refuse_a_missing_device() -> None:
        """End the server, before there are workers to respawn, where CUDA is demanded and not there."""
        if settings.device != "cuda":
            return
        # In a process of its own: what CUDA allocates in this one would stay for the server's life.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            try:
                process.submit(resolve_device, settings.device).result()
            except DeviceUnavailableError as error:
                raise SystemExit(f"manifold: {error}") from error

    @_before_workers
    @staticmethod
    def refuse_an_open_address() -> None:
        """End the server where others could reach it and nothing would ask them for a key."""
        # BentoML tells no service at which address it will listen. Its command line knows; where it was started from
        # Python there is none, and the door answers this machine only.
        command = click.get_current_context(silent=True)
        try:
            if command is None or "host" not in command.params:
                KeyFile(settings.at).read()
            else:
                refuse_open_address(command.params["host"] or BentoMLContainer.http.host.get(), settings)
        except (OpenAddressError, KeyFileError) as error:
            raise SystemExit(f"manifold: {error}") from error

    @_on_startup
    async def start(self) -> None:
        """Begin to follow the champion; the service answers 503 until the first one is live."""
        self._seeing = asyncio.create_task(self.worker.sightings.run(), name="add up what is seen")
        app.state.worker = self.worker
        keep_out_of_collections()
        self._following = asyncio.create_task(self.worker.champion.follow(), name="follow the champion")
        self._watching = asyncio.create_task(self._watch.follow(), name="watch the champion")

    @_on_shutdown
    async def stop(self) -> None:
        """Stop following, and end the batcher's thread; what was seen is written."""
        if self._seeing is not None:
            self._seeing.cancel()
            await self.worker.sightings.close()
        if self._following is not None:
            self._following.cancel()
        if self._watching is not None:
            self._watching.cancel()
        self._watch.close()
        self.worker.batcher.close()
        metrics.write()
        if tracing is not None:
            await asyncio.to_thread(tracing.close)

    async def __is_ready__(self) -> bool:
        try:
            self.worker.champion.live()
        except NotReadyError as error:
            raise HTTPException(503, error.message) from error
        return True

    async def __is_alive__(self) -> bool:
        # It follows for ever: where it ended, it broke, and only a new process follows again.
        return self._following is not None and not self._following.done()

    @_embed_endpoint
    async def embed(self, ctx: bentoml.Context, **_declared: object) -> Response:
        """Rows x to codes z; with depth, the code of that greedy layer, counted from 1."""
        return await self._answer(operations.embed, ctx)

    @_classify_endpoint
    async def classify(self, ctx: bentoml.Context, **_declared: object) -> Response:
        """Rows x to probabilities p and the likeliest label of each, where the release has a classifier."""
        return await self._answer(operations.classify, ctx)

    @_generate_endpoint
    async def generate(self, ctx: bentoml.Context, **_declared: object) -> Response:
        """Codes z to rows x, in the data's own units."""
        return await self._answer(operations.generate, ctx)

    @_reconstruct_endpoint
    async def reconstruct(self, ctx: bentoml.Context, **_declared: object) -> Response:
        """Rows x to rows x, through the code."""
        return await self._answer(operations.reconstruct, ctx)

    @_score_endpoint
    async def score(self, ctx: bentoml.Context, **_declared: object) -> Response:
        """Rows x to how unusual each is: reconstruction error and latent distance, with their p-values."""
        return await self._answer(places.score, ctx)

    async def _answer(self, operation: Operation, ctx: bentoml.Context) -> Response:
        response = await answered(operation, self.worker, ctx.request)
        # BentoML gives the response the status of its context.
        ctx.response.status_code = response.status_code
        return response


def _layers() -> Iterator[Layer]:
    """What every request passes, the outermost first."""
    yield Layer(CountRequests, {"metrics": metrics, "access_log": AccessLog(settings.access_log_sample)})
    yield Layer(ProtectiveHeaders)
    if tracing is not None:
        yield Layer(TraceRequests, {"tracing": tracing})
    yield Layer(OneShape)
    if settings.cors_origins:
        yield Layer(CORSMiddleware, {"allow_origins": settings.cors_origins, **cors.OPTIONS})
    yield Layer(DemandKey, {"settings": settings})
    yield Layer(ObserveAnswers, {"outcomes": outcomes})
    yield Layer(BodyLimit, {"max_body_bytes": settings.max_body_bytes, "max_held_bytes": settings.max_held_bytes})


put_in_front(Manifold, app, tuple(_layers()))
