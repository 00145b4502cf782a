"""Arrays -> an answer, by Accept."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

import numpy.typing as npt
from starlette.responses import Response

from service.errors import InvalidValueError, UnsupportedTypeError
from service.formats import base64_arrays, images, json, npy
from service.formats.request import JSON
from service.release.manifest import Input

PNG = "image/png"

# Float: numbers. Base64: JSON whose arrays are base64 of float32. Int8 and binary: of codes only, see
# `service.compact_codes`.
Encoding = Literal["float", "base64", "int8", "binary"]
OF_ROWS: tuple[Encoding, ...] = ("float", "base64")
OF_CODES: tuple[Encoding, ...] = get_args(Encoding)


class Origin(NamedTuple):
    """Where an answer comes from; every vector that leaves says so."""

    space: str
    release: str


class Form(NamedTuple):
    """How an answer is written."""

    media_type: str
    encoding: Encoding


def choose_form(
    accept: str | None, offered: tuple[str, ...], encoding: Any, known: tuple[Encoding, ...] = OF_ROWS
) -> Form:
    """The media type that `choose` gives, of those that the encoding asked for can be in.

    Args:
        accept: the header.
        offered: media types that the answer can have.
        encoding: what came under that name; None where nothing did.
        known: encodings that the answer can have.

    Raises:
        UnsupportedTypeError: see `choose`.
        InvalidValueError: no such encoding, or Accept leaves no media type that it can be in.
    """
    if encoding is None or encoding == "float":
        return Form(choose(accept, offered), "float")
    if encoding not in known:
        came = f"{encoding!r:.40}" if isinstance(encoding, str) else json.kind_of(encoding)
        raise InvalidValueError(f"encoding: {came} came, {' or '.join(known)} expected", field="encoding")
    chosen: Encoding = encoding
    possible = (JSON,) if chosen == "base64" else (JSON, npy.MEDIA_TYPE)
    try:
        return Form(choose(accept, possible), chosen)
    except UnsupportedTypeError as error:
        raise InvalidValueError(
            f"encoding: {chosen} came, which is of {' or '.join(possible)}, and Accept: {accept} leaves none of that",
            field="encoding",
        ) from error


def choose(accept: str | None, offered: tuple[str, ...]) -> str:
    """The first offered media type among those the client likes best.

    Raises:
        UnsupportedTypeError: it accepts none of them.
    """
    # What nearly all clients send.
    if accept is None or accept == "*/*":
        return offered[0]
    if accept in offered:
        return accept
    ranges = _ranges(accept)
    for wanted, weight in sorted(ranges.items(), key=lambda entry: -entry[1]):
        for offer in offered:
            fits = wanted in (offer, offer.partition("/")[0] + "/*", "*/*")
            # A range with a weight of 0 names what is not wanted.
            if fits and weight > 0 and ranges.get(offer, weight) > 0:
                return offer
    raise UnsupportedTypeError(f"Accept: {accept:.200} came, {' or '.join(offered)} can be had", field="Accept")


def write(
    form: Form,
    arrays: Mapping[str, npt.NDArray[Any]],
    origin: Origin,
    images_as: Input | None,
    said: Mapping[str, Any] = MappingProxyType({}),
    columns: int | None = None,
) -> Response:
    """The answer.

    Args:
        form: one that `choose_form` gave.
        arrays: by name, the main one first; npy and PNG hold that one only.
        origin: said in the JSON, and in headers whatever the type.
        images_as: how to draw the main array, where it can be drawn.
        said: what else the JSON says.
        columns: rows side by side in a PNG; None: as square as fits.

    Raises:
        UnsupportedTypeError: a PNG was asked for, and the live release's rows are no images.
    """
    main = next(iter(arrays.values()))
    if form.media_type == npy.MEDIA_TYPE:
        content = npy.write(main)
    elif form.media_type == PNG and images_as is not None:
        content = images.write_grid(main, images_as, columns)
    else:
        written = (
            {name: base64_arrays.write(array) for name, array in arrays.items()}
            if form.encoding == "base64"
            else arrays
        )
        content = json.write({**written, **said, "space": origin.space, "release": origin.release})
    return Response(content, 200, origin_headers(origin), form.media_type)


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
