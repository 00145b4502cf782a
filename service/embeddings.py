"""`POST /v1/embeddings`: rows to codes in OpenAI's shape, by the same checks, batches and runs as `/v1/embed`."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np
import numpy.typing as npt
from starlette.requests import Request
from starlette.responses import Response

from service.champion import Champion, Live
from service.checks import check_answers, check_depth, check_finite, check_rows, check_space, space_at
from service.errors import InvalidValueError, UnknownModelError
from service.formats import answer, json, openai
from service.formats.request import JSON, read_fields
from service.operations import Worker
from service.release.channels import Channels, ChannelState
from service.release.manifest import Manifest
from service.sessions import Floats
from service.works import Encode


async def embeddings(worker: Worker, request: Request) -> Response:
    """Rows in `input` -> codes in `data`; `dimensions` chooses the layer whose code is of that width."""
    live = worker.champion.live()
    answer.choose(request.headers.get("accept"), (JSON,))
    body = await request.body()
    content_type = request.headers.get("content-type")
    fields = read_fields(body, content_type, request.query_params, openai.FIELDS)
    await _check_model(fields.get("model"), worker, live)
    encoding = openai.read_encoding(fields.get("encoding_format"))
    depth = _check_dimensions(fields, live.manifest)
    space = space_at(live.manifest, depth)
    check_space(fields.get("space"), space)
    _check_user(fields.get("user"))
    rows = await _read_rows(worker, live, fields.get(openai.INPUT), suspicious=json.has_booleans(body))
    z = check_answers(await worker.batcher.run(Encode(live.runtime, depth), rows), openai.INPUT)
    worker.metrics.rows.labels("embeddings").inc(len(rows))
    if depth is None:
        worker.sightings.codes(live, z)
    origin = answer.Origin(space, live.release)
    return worker.timed("write", openai.write, z, encoding, origin, depth or len(live.manifest.code.layers))


def model_names(live: Live, state: ChannelState) -> list[str]:
    """What a client may call the live release: its version, the model's name, and the channels that name it.

    "champion" is what is live, also while the channel's new champion is still being loaded.
    """
    return list(dict.fromkeys([live.release, live.manifest.name, "champion", *state.names(live.release)]))


def listed_models(champion: Champion, state: ChannelState) -> dict[str, Any]:
    """What OpenAI's clients read of `GET /v1/models`: each name of the live release; none where none is live."""
    if not champion.is_live:
        return openai.listed([], "")
    live = champion.live()
    return openai.listed(model_names(live, state), live.manifest.created)


async def _read_rows(worker: Worker, live: Live, value: Any, *, suspicious: bool) -> Floats:
    def read() -> Floats:
        described, settings = live.manifest.input, worker.settings
        max_rows, max_bytes = settings.max_rows, settings.max_body_bytes
        array = openai.read_input(value, described, max_rows=max_rows, max_bytes=max_bytes, suspicious=suspicious)
        return _check_input(array, described.shape, max_rows)

    started = time.perf_counter()
    # Unpacking many images in the event loop would hold up everybody.
    rows = await asyncio.to_thread(read) if openai.has_images(value) else read()
    worker.metrics.observe_stage("read", time.perf_counter() - started)
    return rows


def _check_input(array: npt.NDArray[Any], shape: tuple[int, ...], max_rows: int) -> Floats:
    """One row, or rows -> float32 rows (batch, *shape)."""
    field = openai.INPUT
    if array.shape == shape:
        return check_finite(array, field)[np.newaxis]
    if array.size > 0 and array.shape[1:] != shape:
        row = ", ".join(map(str, shape))
        raise InvalidValueError(
            f"{field}: shape {array.shape} came, {shape} for one row or (batch, {row}) expected", field=field
        )
    if array.size == 0:
        raise InvalidValueError(f"{field}: an empty batch or row came, at least one row expected", field=field)
    return check_rows(array, field, shape, max_rows)


def _check_dimensions(fields: dict[str, Any], manifest: Manifest) -> int | None:
    """The depth whose code is of the width asked for, as `check_depth` gives it; of several the deepest."""
    depth = check_depth(fields.get("depth"), manifest)
    wanted = fields.get("dimensions")
    if wanted is None:
        return depth
    layers = len(manifest.code.layers)
    widths = [*(layer.width for layer in manifest.code.layers[:-1]), manifest.code.size]
    asked = range(1, layers + 1) if fields.get("depth") is None else (depth or layers,)
    # The deepest of one width is nearest to z; `depth` reaches the others.
    fitting = [at for at in asked if type(wanted) is int and widths[at - 1] == wanted]
    if not fitting:
        at_depth = "" if len(asked) == layers else f" at depth {asked[0]}"
        known = " or ".join(str(width) for width in dict.fromkeys(widths[at - 1] for at in asked))
        raise InvalidValueError(f"dimensions: {wanted!r:.40} came, {known} expected{at_depth}", field="dimensions")
    return None if fitting[-1] == layers else fitting[-1]


async def _check_model(value: Any, worker: Worker, live: Live) -> None:
    if value == live.release:
        return
    names = model_names(live, await asyncio.to_thread(Channels(worker.settings.at).read))
    known = f"{' or '.join(names)} expected: what is live"
    if not isinstance(value, str):
        came = "missing" if value is None else f"{value!r:.40} came"
        raise InvalidValueError(f"model: {came}; {known}", field="model")
    if value not in names:
        raise UnknownModelError(f"model: {value:.80} came, {known}", field="model")


def _check_user(value: Any) -> None:
    """OpenAI's clients may say who they ask for. It changes nothing, and is kept nowhere."""
    if value is not None and not isinstance(value, str):
        raise InvalidValueError(f"user: {value!r:.40} came, text expected", field="user")
