"""The Open Inference Protocol below `/v2`: health, metadata, inference with encoder and decoder, the index.

The rows go the way of those of `/v1`: checked, batched with them, run. A version is a release that is loaded.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from service.batching import Work
from service.champion import Live
from service.checks import check_answers, check_rows, check_space, space_at
from service.errors import NotReadyError, UnknownModelError, shaped_response
from service.formats import json, open_inference
from service.formats.answer import Origin
from service.formats.open_inference import Output, Wanted
from service.formats.request import JSON
from service.operations import Worker
from service.release.channels import Channels
from service.release.manifest import Manifest
from service.runtime import Floats, Runtime
from service.works import Decode, Encode, OfRelease

# What it counts as, and its only input.
_MODELS: Final = {"encoder": ("embed", "x"), "decoder": ("generate", "z")}
_EXTENSIONS = ("binary_tensor_data", "model_repository")
_PLATFORM = "onnx_onnxv1"


@dataclass(frozen=True)
class EncodeDepths(OfRelease):
    """Codes of several depths side by side, (batch, their widths together)."""

    depths: tuple[int | None, ...]

    def __call__(self, rows: Floats, /) -> Floats:
        return np.concatenate(self.runtime.encode_depths(rows, self.depths), axis=1)


async def server(_worker: Worker, _request: Request) -> Response:
    """What this server is, and which extensions of the protocol it speaks."""
    return _json({"name": "manifold", "version": "1", "extensions": _EXTENSIONS})


async def live(_worker: Worker, _request: Request) -> Response:
    """That it answers at all."""
    return Response()


async def ready(worker: Worker, _request: Request) -> Response:
    """Whether a release is live."""
    return _readiness(worker.champion.live)


async def model_ready(worker: Worker, request: Request) -> Response:
    """Whether a model, in a version, answers."""
    return _readiness(lambda: _named(worker, request))


async def model(worker: Worker, request: Request) -> Response:
    """A model's inputs and outputs: names, datatypes, shapes; -1 is the batch."""
    live = _named(worker, request)
    name = request.path_params["model"]
    _, field = _MODELS[name]
    inputs, outputs = {field: _row(live.manifest, field)}, _outputs(name, live.manifest)
    return _json(
        {
            "name": name,
            "versions": [live.release],
            "platform": _PLATFORM,
            "inputs": [_tensor(*entry) for entry in inputs.items()],
            "outputs": [_tensor(*entry) for entry in outputs.items()],
        }
    )


async def infer(worker: Worker, request: Request) -> Response:
    """Rows `x` -> codes `z` and `code_1`, `code_2`, ... of the inner layers; or codes `z` -> rows `x`."""
    live = _named(worker, request)
    manifest, max_rows = live.manifest, worker.settings.max_rows
    name = request.path_params["model"]
    operation, field = _MODELS[name]
    body = await request.body()
    started = time.perf_counter()
    asked = open_inference.read(
        body,
        request.headers.get("content-type"),
        request.headers.get(open_inference.LENGTH_HEADER),
        field=field,
        outputs=tuple(_outputs(name, manifest)),
        max_rows=max_rows,
    )
    rows = check_rows(asked.rows, field, _row(manifest, field), max_rows)
    check_space(asked.space, manifest.space_id)
    worker.metrics.observe_stage("read", time.perf_counter() - started)
    answers = check_answers(await worker.batcher.run(_work(live.runtime, name, asked.outputs), rows), field)
    worker.metrics.rows.labels(operation).inc(len(rows))
    outputs = _named_outputs(name, manifest, asked.outputs, answers)
    for code in outputs:
        if code.name == "z":
            worker.sightings.codes(live, code.array)
    origin = Origin(manifest.space_id, live.release)
    return worker.timed("write", open_inference.write, name, origin, asked.id, outputs)


async def index(worker: Worker, request: Request) -> Response:
    """Encoder and decoder of the live release, and of those that the channels name beside it, and why not."""
    ready_only = open_inference.read_ready_only(await request.body())
    state = Channels(worker.settings.at).read()
    live = worker.champion.live().release if worker.champion.is_live else None
    failure = worker.champion.failure
    states = {} if live is None else {live: ("READY", "")}
    for version in (state.champion, state.candidate, state.previous):
        failed = failure is not None and failure.release == version
        reason = failure.message if failure is not None and failed else "only the champion is loaded"
        if version is not None and not ready_only:
            states.setdefault(version, ("UNAVAILABLE", reason))
    return _json(
        [
            {"name": name, "version": version, "state": state, "reason": reason}
            for version, (state, reason) in states.items()
            for name in _MODELS
        ]
    )


_Operation = Callable[[Worker, Request], Awaitable[Response]]

# Path, what answers, method.
ROUTES: Final[tuple[tuple[str, _Operation, str], ...]] = (
    ("/v2", server, "GET"),
    ("/v2/health/live", live, "GET"),
    ("/v2/health/ready", ready, "GET"),
    ("/v2/repository/index", index, "POST"),
    *(
        (f"/v2/models/{{model}}{version}{what}", operation, method)
        for version in ("", "/versions/{version}")
        for what, operation, method in (("", model, "GET"), ("/ready", model_ready, "GET"), ("/infer", infer, "POST"))
    ),
)


def _named(worker: Worker, request: Request) -> Live:
    """The live release, if the path names one of its models, and its version or none.

    Raises:
        UnknownModelError: another name or version.
        NotReadyError: no release is live.
    """
    name, version = request.path_params["model"], request.path_params.get("version")
    if name not in _MODELS:
        raise UnknownModelError(f"there is no model {name:.80}; {' and '.join(_MODELS)} are here", field="model")
    live = worker.champion.live()
    if version not in (None, live.release):
        raise UnknownModelError(f"version {version:.80} of {name} is not loaded; {live.release} is", field="version")
    return live


def _readiness(ask: Callable[[], Live]) -> Response:
    try:
        ask()
    except NotReadyError as error:
        # A health check says no by a 4xx in this protocol.
        return shaped_response(400, error.message)
    return Response()


def _row(manifest: Manifest, field: str) -> tuple[int, ...]:
    return manifest.input.shape if field == "x" else (manifest.code.size,)


def _outputs(name: str, manifest: Manifest) -> dict[str, tuple[int, ...]]:
    """What the model's graph gives -> the shape of one row of it."""
    if name == "decoder":
        return {"x": manifest.input.shape}
    outputs: dict[str, tuple[int, ...]] = {"z": (manifest.code.size,)}
    for depth, layer in enumerate(manifest.code.layers[:-1], start=1):
        outputs[f"code_{depth}"] = (layer.width,)
    return outputs


def _depth(output: str) -> int | None:
    return None if output == "z" else int(output.removeprefix("code_"))


def _work(runtime: Runtime, name: str, wanted: tuple[Wanted, ...]) -> Work:
    if name == "decoder":
        return Decode(runtime)
    depths = tuple(_depth(output.name) for output in wanted)
    # A code alone shares its run with requests to /v1/embed.
    return Encode(runtime, depths[0]) if len(depths) == 1 else EncodeDepths(runtime, depths)


def _named_outputs(name: str, manifest: Manifest, wanted: tuple[Wanted, ...], answers: Floats) -> list[Output]:
    if name == "decoder":
        return [Output("x", answers, wanted[0].binary, None)]
    outputs, start = [], 0
    for output in wanted:
        (width,) = _outputs(name, manifest)[output.name]
        codes = np.ascontiguousarray(answers[:, start : start + width])
        outputs.append(Output(output.name, codes, output.binary, space_at(manifest, _depth(output.name))))
        start += width
    return outputs


def _tensor(name: str, row: tuple[int, ...]) -> dict[str, Any]:
    return {"name": name, "datatype": "FP32", "shape": [-1, *row]}


def _json(content: Any) -> Response:
    return Response(json.write(content), media_type=JSON)
