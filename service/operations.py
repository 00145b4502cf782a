"""What a worker does for a client: embed, classify, generate, sample, reconstruct.

Each holds the live release from its first check to its answer: a promotion in between changes nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from service.batching import Batcher
from service.champion import Champion, Live
from service.checks import (
    check_answers,
    check_depth,
    check_rows,
    check_seed,
    check_space,
    check_whole,
    space_at,
)
from service.errors import NoClassifierError
from service.formats import answer
from service.formats.request import read_fields, read_rows
from service.metrics import Metrics
from service.runtime import Floats, Runtime
from service.settings import Settings

_DEFAULT_SAMPLES = 64

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Worker:
    """What one process serves with."""

    settings: Settings
    champion: Champion
    batcher: Batcher
    metrics: Metrics

    @classmethod
    def create(cls, settings: Settings, metrics: Metrics) -> Worker:
        """A worker with no release yet: its champion begins to look when it is followed."""
        batcher = Batcher(settings.max_queued_rows, metrics.observe_stage)
        return cls(settings, Champion(settings, metrics), batcher, metrics)

    def timed(self, stage: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function and note its time as a stage of the request."""
        started = time.perf_counter()
        result = function(*args, **kwargs)
        self.metrics.observe_stage(stage, time.perf_counter() - started)
        return result


# Equal works share a run: same release in memory, same thing to do.
@dataclass(frozen=True)
class Encode:
    runtime: Runtime
    depth: int | None

    def __call__(self, rows: Floats, /) -> Floats:
        return self.runtime.encode(rows, self.depth)


@dataclass(frozen=True)
class Decode:
    runtime: Runtime

    def __call__(self, rows: Floats, /) -> Floats:
        return self.runtime.decode(rows)


@dataclass(frozen=True)
class Reconstruct:
    runtime: Runtime

    def __call__(self, rows: Floats, /) -> Floats:
        return self.runtime.reconstruct(rows)


@dataclass(frozen=True)
class Classify:
    runtime: Runtime

    def __call__(self, rows: Floats, /) -> Floats:
        return self.runtime.classify(rows)


async def embed(worker: Worker, request: Request) -> Response:
    """Rows `x` -> codes `z`; with `depth`, the code of that greedy layer, counted from 1."""
    live = worker.champion.live()
    media_type = answer.choose(request.headers.get("accept"), answer.offers(None))
    rows, options = await _read(worker, request, live, "x", ("depth", "space"))
    depth = check_depth(options.get("depth"), live.manifest)
    space = space_at(live.manifest, depth)
    check_space(options.get("space"), space)
    z = check_answers(await worker.batcher.run(Encode(live.runtime, depth), rows), "x")
    worker.metrics.rows.labels("embed").inc(len(rows))
    return worker.timed("write", answer.write, media_type, {"z": z}, answer.Origin(space, live.release), images_as=None)


async def classify(worker: Worker, request: Request) -> Response:
    """Rows `x` -> probabilities `p` of each label, and the likeliest `label` of each row."""
    live = worker.champion.live()
    classifier = live.manifest.classifier
    if classifier is None:
        raise NoClassifierError(
            f"the live release {live.release} has no classifier: `manifold train` on rows with labels makes one "
            "with --set supervised_fine_tuning.epochs=30"
        )
    media_type = answer.choose(request.headers.get("accept"), answer.offers(None))
    rows, options = await _read(worker, request, live, "x", ("space",))
    check_space(options.get("space"), live.manifest.space_id)
    p = check_answers(await worker.batcher.run(Classify(live.runtime), rows), "x")
    worker.metrics.rows.labels("classify").inc(len(rows))
    origin = answer.Origin(live.manifest.space_id, live.release)
    labels = [classifier.label_names[index] for index in p.argmax(1)]
    return worker.timed("write", answer.write, media_type, {"p": p}, origin, images_as=None, names={"label": labels})


async def generate(worker: Worker, request: Request) -> Response:
    """Codes `z` -> rows `x`, in the data's own units."""
    live = worker.champion.live()
    media_type = answer.choose(request.headers.get("accept"), answer.offers(live.manifest.input))
    codes, options = await _read(worker, request, live, "z", ("space",))
    check_space(options.get("space"), live.manifest.space_id)
    x = check_answers(await worker.batcher.run(Decode(live.runtime), codes), "z")
    return _drawn(worker, live, "generate", media_type, {"x": x})


async def reconstruct(worker: Worker, request: Request) -> Response:
    """Rows `x` -> rows `x`, through the code."""
    live = worker.champion.live()
    media_type = answer.choose(request.headers.get("accept"), answer.offers(live.manifest.input))
    rows, options = await _read(worker, request, live, "x", ("space",))
    check_space(options.get("space"), live.manifest.space_id)
    x = check_answers(await worker.batcher.run(Reconstruct(live.runtime), rows), "x")
    return _drawn(worker, live, "reconstruct", media_type, {"x": x})


async def sample(worker: Worker, request: Request) -> Response:
    """`count` new rows `x` and their codes `z`, drawn from the fitted density with `seed`."""
    live = worker.champion.live()
    media_type = answer.choose(request.headers.get("accept"), answer.offers(live.manifest.input))
    body = await request.body()
    content_type = request.headers.get("content-type")
    # A bare POST asks for the defaults.
    fields = {} if not body and content_type is None else read_fields(
        body, content_type, request.query_params, ("count", "seed")
    )  # fmt: skip
    count = check_whole(fields.get("count", _DEFAULT_SAMPLES), "count", 1, worker.settings.max_rows)
    z = await asyncio.to_thread(live.runtime.sample, count, check_seed(fields.get("seed", 0)))
    x = check_answers(await worker.batcher.run(Decode(live.runtime), z), "z")
    return _drawn(worker, live, "sample", media_type, {"x": x, "z": z})


async def _read(
    worker: Worker, request: Request, live: Live, field: str, options: tuple[str, ...]
) -> tuple[Floats, dict[str, object]]:
    body = await request.body()
    manifest = live.manifest
    as_data = field == "x"
    shape = manifest.input.shape if as_data else (manifest.code.size,)
    max_rows = worker.settings.max_rows
    started = time.perf_counter()
    read = read_rows(
        body,
        request.headers.get("content-type"),
        request.query_params,
        field=field,
        options=options,
        max_rows=max_rows,
        images_as=manifest.input if as_data else None,
    )
    rows = check_rows(read.rows, field, shape, max_rows)
    worker.metrics.observe_stage("read", time.perf_counter() - started)
    return rows, read.options


def _drawn(worker: Worker, live: Live, operation: str, media_type: str, arrays: dict[str, Floats]) -> Response:
    worker.metrics.rows.labels(operation).inc(len(arrays["x"]))
    origin = answer.Origin(live.manifest.space_id, live.release)
    return worker.timed("write", answer.write, media_type, arrays, origin, images_as=live.manifest.input)
