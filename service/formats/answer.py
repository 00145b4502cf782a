"""Arrays -> an answer, by Accept."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from starlette.responses import Response

from service.errors import UnsupportedTypeError
from service.formats import images, json, npy
from service.formats.request import JSON
from service.release.manifest import Input
from service.sessions import Floats

PNG = "image/png"


class Origin(NamedTuple):
    """Where an answer comes from; every vector that leaves says so."""

    space: str
    release: str


def choose(accept: str | None, offered: tuple[str, ...]) -> str:
    """The first offered media type among those the client likes best.

    Raises:
        UnsupportedTypeError: it accepts none of them.
    """
    ranges = _ranges(accept or "*/*")
    for wanted, weight in sorted(ranges.items(), key=lambda entry: -entry[1]):
        for offer in offered:
            fits = wanted in (offer, offer.partition("/")[0] + "/*", "*/*")
            # A range with a weight of 0 names what is not wanted.
            if fits and weight > 0 and ranges.get(offer, weight) > 0:
                return offer
    raise UnsupportedTypeError(f"Accept: {accept:.200} came, {' or '.join(offered)} can be had", field="Accept")


def write(
    media_type: str,
    arrays: dict[str, Floats],
    origin: Origin,
    images_as: Input | None,
    said: Mapping[str, Any] = MappingProxyType({}),
    columns: int | None = None,
) -> Response:
    """The answer.

    Args:
        media_type: one that `choose` gave.
        arrays: by name, the main one first; npy and PNG hold that one only.
        origin: said in the JSON, and in headers whatever the type.
        images_as: how to draw the main array, where it can be drawn.
        said: what else the JSON says.
        columns: rows side by side in a PNG; None: as square as fits.

    Raises:
        UnsupportedTypeError: a PNG was asked for, and the live release's rows are no images.
    """
    main = next(iter(arrays.values()))
    if media_type == npy.MEDIA_TYPE:
        content = npy.write(main)
    elif media_type == PNG and images_as is not None:
        content = images.write_grid(main, images_as, columns)
    else:
        content = json.write({**arrays, **said, **origin._asdict()})
    return Response(content, 200, origin_headers(origin), media_type)


def origin_headers(origin: Origin) -> dict[str, str]:
    """What every answer with vectors says in its headers."""
    return {"X-Manifold-Space": origin.space, "X-Manifold-Release": origin.release}


def offers(images_as: Input | None) -> tuple[str, ...]:
    """The media types of an answer; JSON is what a client gets that asks for nothing."""
    return (JSON, npy.MEDIA_TYPE) if images_as is None else (JSON, npy.MEDIA_TYPE, PNG)


def _ranges(accept: str) -> dict[str, float]:
    """Media ranges and their weights, as they came."""
    ranges: dict[str, float] = {}
    for part in accept.split(",")[:20]:
        media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
        ranges[media_type] = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name == "q":
                ranges[media_type] = float(value) if value.replace(".", "", 1).isdecimal() else 0.0
    return ranges
