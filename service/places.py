"""Where rows lie on the manifold: how usual that is, which known rows are beside them, the way between two of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from service.batching import Work
from service.champion import Live
from service.checks import check_answers, check_neighbours, check_path, check_space
from service.errors import InvalidValueError, NotKeptError
from service.formats import answer
from service.formats.request import JSON
from service.neighbours import KnownCodes, ids_of, packed
from service.operations import Given, Worker, read_given
from service.runtime import Floats
from service.scoring import judge_scores, measure_codes
from service.works import Decode, Encode, OfRelease

# Rows that are searched or scored at a time: others' rows have their turn in between.
_PART_ROWS = 256


@dataclass(frozen=True)
class Measure(OfRelease):
    def __call__(self, rows: Floats, /) -> Floats:
        return measure_codes(self.runtime, rows)


@dataclass(frozen=True)
class Neighbours:
    known: KnownCodes
    k: int
    batch_rows: int

    def __call__(self, rows: Floats, /) -> Floats:
        return self.known.nearest(rows, self.k)


async def score(worker: Worker, request: Request) -> Response:
    """Rows `x` -> how unusual each is: reconstruction error and latent distance, each with its p-value.

    As npy they are the columns of one array, (batch, 4), in the order of `Scores`.
    """
    live = worker.champion.live()
    if live.runtime.spread is None:
        raise _not_kept(live, "the spread of its codes, and a reconstruction error alone is no score")
    accept, offered = request.headers.get("accept"), answer.offers(None)
    answer.choose(accept, offered)
    given = await read_given(worker, request, live, "x", ("space", "encoding"))
    form = answer.choose_form(accept, offered, given.options.get("encoding"))
    check_space(given.options.get("space"), live.manifest.space_id)
    measured = check_answers(await _in_parts(worker, Measure(live.runtime), given.rows), "x")
    scores = judge_scores(measured, live.manifest.calibration)
    worker.metrics.rows.labels("score").inc(len(given.rows))
    worker.sightings.codes(live, measured[:, 2:], measured[:, 0])
    arrays = scores._asdict() if form.media_type == JSON else {"scores": np.stack(scores, axis=1)}
    return worker.timed("write", answer.write, form, arrays, _origin(live), images_as=None)


async def neighbors(worker: Worker, request: Request) -> Response:
    """Rows `x`, or codes `z` -> the `k` nearest reference rows of each, in the code.

    As npy they are one array, (batch, k, 5): see `packed`.
    """
    live = worker.champion.live()
    known = live.runtime.known_codes
    if known is None:
        raise _not_kept(live, "the codes of reference rows")
    accept, offered = request.headers.get("accept"), answer.offers(None)
    answer.choose(accept, offered)
    given = await read_given(worker, request, live, "x", ("k", "space", "encoding"), "z")
    form = answer.choose_form(accept, offered, given.options.get("encoding"))
    check_space(given.options.get("space"), live.manifest.space_id)
    k = check_neighbours(given.options.get("k"), len(known), worker.settings.max_neighbours)
    codes = await _codes(worker, live, given)
    found = await _in_parts(worker, Neighbours(known, k, live.runtime.setup.batch_rows), codes)
    worker.metrics.rows.labels("neighbors").inc(len(codes))
    if form.media_type != JSON:
        arrays = {"neighbors": packed(known, found)}
        return worker.timed("write", answer.write, form, arrays, _origin(live), images_as=None)
    ids = ids_of(found)
    arrays = {"distance": np.ascontiguousarray(found[..., 1]), "map": known.map_of(ids)}
    said = {"id": ids, "label": known.names_of(ids)}
    return worker.timed("write", answer.write, form, arrays, _origin(live), images_as=None, said=said)


async def interpolate(worker: Worker, request: Request) -> Response:
    """Two rows `x`, or two codes `z` -> `steps` rows `x` from one to the other, straight in the code, and their codes.

    The ends are the reconstructions of the two; a PNG has them all side by side.
    """
    live = worker.champion.live()
    accept, offered = request.headers.get("accept"), answer.offers(live.manifest.input)
    answer.choose(accept, offered)
    given = await read_given(worker, request, live, "x", ("steps", "space", "encoding"), "z")
    form = answer.choose_form(accept, offered, given.options.get("encoding"))
    check_space(given.options.get("space"), live.manifest.space_id)
    steps = check_path(given.rows, given.field, given.options.get("steps"), worker.settings.max_rows)
    z = straight(await _codes(worker, live, given), steps)
    x = await worker.batcher.run(Decode(live.runtime), z)
    if not np.isfinite(x).all():
        raise InvalidValueError(f"{given.field}: values too large, the path is not finite", field=given.field)
    worker.metrics.rows.labels("interpolate").inc(steps)
    return worker.timed(
        "write",
        answer.write,
        form,
        {"x": x, "z": z},
        _origin(live),
        images_as=live.manifest.input,
        columns=steps,
    )


def straight(ends: Floats, steps: int) -> Floats:
    """Evenly spaced codes (steps, code) on the line between two, (2, code); the first and the last are the two."""
    share = np.linspace(0, 1, steps)[:, None]
    first, last = ends.astype(np.float64)
    codes: Floats = ((1 - share) * first + share * last).astype(np.float32)
    return codes


async def _codes(worker: Worker, live: Live, given: Given) -> Floats:
    """Codes as they came, or those of the rows that came."""
    if given.field == "z":
        return given.rows
    return check_answers(await worker.batcher.run(Encode(live.runtime, None), given.rows), "x")


async def _in_parts(worker: Worker, work: Work, rows: Floats) -> Floats:
    """What is answered to rows, a part of them in each run."""
    parts = [rows[start : start + _PART_ROWS] for start in range(0, len(rows), _PART_ROWS)]
    return np.concatenate([await worker.batcher.run(work, part) for part in parts])


def _origin(live: Live) -> answer.Origin:
    return answer.Origin(live.manifest.space_id, live.release)


def _not_kept(live: Live, what: str) -> NotKeptError:
    return NotKeptError(f"the live release {live.release} does not keep {what}: `manifold train` makes one that does")
