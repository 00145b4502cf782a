"""What a worker does for a client: embed, classify, generate, sample, reconstruct.

Each holds the live release from its first check to its answer: a promotion in between changes nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple, ParamSpec, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from service.batching import Batcher, Work
from service.champion import Champion, Live
from service.checks import (
    check_answers,
    check_depth,
    check_plan,
    check_rows,
    check_space,
    space_at,
)
from service.compact_codes import Bits, Int8, compacting
from service.drift.sightings import Sightings
from service.errors import NoClassifierError
from service.formats import answer, multipart
from service.formats.expected import Expected
from service.formats.request import JSON, is_multipart, may_hold_images, read_fields, read_rows
from service.honesty import judge
from service.metrics import Metrics
from service.runtime import Floats, Runtime
from service.sampling import Ask, Chain, advance, draw
from service.settings import Settings
from service.works import Classify, Decode, Encode, Nearest, Reconstruct, Walk

_SAMPLE_OPTIONS = ("count", "seed", "method", "steps", "temperature", "encoding")

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
    def create(cls, settings: Settings, metrics: Metrics, workers: int = 1) -> Worker:
        """A worker, one of `workers`, with no release yet: its champion begins to look when it is followed."""
        batcher = Batcher(settings.max_queued_rows, metrics, settings.deadline_seconds)
        return cls(settings, Champion(settings, metrics, workers), batcher, metrics)

    @cached_property
    def sightings(self) -> Sightings:
        """What this process has seen, as statistics."""
        return Sightings(self.settings)

    def timed(self, stage: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function and note its time as a stage of the request."""
        started = time.perf_counter()
        result = function(*args, **kwargs)
        self.metrics.observe_stage(stage, time.perf_counter() - started)
        return result


async def embed(worker: Worker, request: Request) -> Response:
    """Rows `x` -> codes `z`; with `depth`, the code of that greedy layer, counted from 1."""
    live = worker.champion.live()
    accept, offered = request.headers.get("accept"), answer.offers(None)
    answer.choose(accept, offered)
    rows, options = await _read(worker, request, live, "x", ("depth", "space", "encoding"))
    form = answer.choose_form(accept, offered, options.get("encoding"), answer.OF_CODES)
    depth = check_depth(options.get("depth"), live.manifest)
    space = space_at(live.manifest, depth)
    check_space(options.get("space"), space)
    compact = compacting(form.encoding, depth, live.manifest) if form.encoding in ("int8", "binary") else None
    z = check_answers(await worker.batcher.run(Encode(live.runtime, depth), rows), "x")
    worker.metrics.rows.labels("embed").inc(len(rows))
    if depth is None:
        worker.sightings.codes(live, z)
    return worker.timed("write", _write_codes, form, z, compact, answer.Origin(space, live.release))


async def classify(worker: Worker, request: Request) -> Response:
    """Rows `x` -> probabilities `p` of each label, and the likeliest `label` of each row."""
    live = worker.champion.live()
    classifier = live.manifest.classifier
    if classifier is None:
        raise NoClassifierError(
            f"the live release {live.release} has no classifier: `manifold train` on rows with labels makes one "
            "with --set supervised_fine_tuning.epochs=30"
        )
    accept, offered = request.headers.get("accept"), answer.offers(None)
    answer.choose(accept, offered)
    rows, options = await _read(worker, request, live, "x", ("space", "encoding"))
    form = answer.choose_form(accept, offered, options.get("encoding"))
    check_space(options.get("space"), live.manifest.space_id)
    p = check_answers(await worker.batcher.run(Classify(live.runtime), rows), "x")
    worker.metrics.rows.labels("classify").inc(len(rows))
    origin = answer.Origin(live.manifest.space_id, live.release)
    labels = [classifier.label_names[index] for index in p.argmax(1)]
    return worker.timed("write", answer.write, form, {"p": p}, origin, images_as=None, said={"label": labels})


async def generate(worker: Worker, request: Request) -> Response:
    """Codes `z` -> rows `x`, in the data's own units."""
    return await _answered_by_rows(worker, request, "generate", "z", Decode)


async def reconstruct(worker: Worker, request: Request) -> Response:
    """Rows `x` -> rows `x`, through the code."""
    return await _answered_by_rows(worker, request, "reconstruct", "x", Reconstruct)


async def sample(worker: Worker, request: Request) -> Response:
    """`count` new rows `x` and the codes `z` they were decoded from, drawn with `seed`, and how honest each is."""
    live = worker.champion.live()
    accept, offered = request.headers.get("accept"), answer.offers(live.manifest.input)
    answer.choose(accept, offered)
    body = await request.body()
    content_type = request.headers.get("content-type")
    # A bare POST asks for the defaults.
    fields = {} if not body and content_type is None else read_fields(
        body, content_type, request.query_params, _SAMPLE_OPTIONS
    )  # fmt: skip
    form = answer.choose_form(accept, offered, fields.get("encoding"))
    plan = check_plan(fields, live.manifest, worker.settings)
    drawn = await _driven(worker, live.runtime, draw(live.runtime, plan))
    arrays = {"x": check_answers(drawn.x, "x"), "z": drawn.z}
    said: dict[str, Any] = {"method": plan.method, "steps": plan.steps}
    if form.media_type == JSON:
        said["honesty"] = (await _driven(worker, live.runtime, judge(live.runtime, drawn))).as_fields()
    return _drawn(worker, live, "sample", form, arrays, said)


async def _answered_by_rows(
    worker: Worker, request: Request, operation: str, field: str, work: Callable[[Runtime], Work]
) -> Response:
    """What comes in `field`, worked on, as rows `x`."""
    live = worker.champion.live()
    accept, offered = request.headers.get("accept"), answer.offers(live.manifest.input)
    answer.choose(accept, offered)
    given, options = await _read(worker, request, live, field, ("space", "encoding"))
    form = answer.choose_form(accept, offered, options.get("encoding"))
    check_space(options.get("space"), live.manifest.space_id)
    x = check_answers(await worker.batcher.run(work(live.runtime), given), field)
    if field == "x":
        worker.sightings.reconstructions(live, given, x)
    return _drawn(worker, live, operation, form, {"x": x})


async def _driven(worker: Worker, runtime: Runtime, chain: Chain[T]) -> T:
    """What a chain comes to. Each of its asks waits its turn among other requests' rows, and its own arithmetic is
    done in a thread: a long chain holds up nobody, and a deadline ends it between two steps."""
    works: dict[str, Work] = {
        "encode": Encode(runtime, None),
        "decode": Decode(runtime),
        "walk": Walk(runtime),
        "nearest": Nearest(runtime),
    }
    answered: Floats | None = None
    while True:
        ask = await asyncio.to_thread(advance, chain, answered)
        if not isinstance(ask, Ask):
            return ask
        answered = await worker.batcher.run(works[ask.do], ask.rows)


class Given(NamedTuple):
    """Checked rows or codes, (batch, ...), the options beside them, and which they are: "x" or "z"."""

    rows: Floats
    options: dict[str, Any]
    field: str


async def read_given(
    worker: Worker, request: Request, live: Live, field: str, options: tuple[str, ...], or_field: str | None = None
) -> Given:
    """What a request gives, in `field` or perhaps in `or_field`; "x" is rows, which may be an image, "z" codes.

    Raises:
        RequestError: it is not that, or not as the live release's rows and codes are.
    """
    manifest, settings = live.manifest, worker.settings
    content_type = request.headers.get("content-type")
    query = request.query_params if request.scope["query_string"] else {}
    images_as = manifest.input if field == "x" else None
    expected = Expected(field, options, settings.max_rows, settings.max_body_bytes, images_as, or_field)
    body: bytes | tuple[multipart.Part, ...]
    if content_type is not None and is_multipart(content_type):
        # Each row a part, and each option.
        body = await multipart.receive(request.stream(), content_type, settings.max_rows + len(options))
    else:
        body = await request.body()

    def read() -> Given:
        came = read_rows(body, content_type, query, expected)
        shape = manifest.input.shape if came.field == "x" else (manifest.code.size,)
        return Given(check_rows(came.rows, came.field, shape, settings.max_rows), came.options, came.field)

    started = time.perf_counter()
    # Unpacking images in the event loop would hold up everybody.
    given = await asyncio.to_thread(read) if may_hold_images(body, content_type) else read()
    worker.metrics.observe_stage("read", time.perf_counter() - started)
    return given


async def _read(
    worker: Worker, request: Request, live: Live, field: str, options: tuple[str, ...]
) -> tuple[Floats, dict[str, Any]]:
    given = await read_given(worker, request, live, field, options)
    return given.rows, given.options


def _write_codes(form: answer.Form, z: Floats, compact: Int8 | Bits | None, origin: answer.Origin) -> Response:
    if compact is None:
        return answer.write(form, {"z": z}, origin, images_as=None)
    codes, said = compact(z)
    return answer.write(form, {"z": codes}, origin, images_as=None, said=said)


def _drawn(
    worker: Worker,
    live: Live,
    operation: str,
    form: answer.Form,
    arrays: dict[str, Floats],
    said: Mapping[str, Any] = MappingProxyType({}),
) -> Response:
    worker.metrics.rows.labels(operation).inc(len(arrays["x"]))
    origin = answer.Origin(live.manifest.space_id, live.release)
    return worker.timed("write", answer.write, form, arrays, origin, images_as=live.manifest.input, said=said)
