"""Whether rows and options fit the live release; a refusal names the field, what came and what should."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from service.errors import InvalidValueError, WrongSpaceError
from service.formats.json import kind_of, too_many_rows
from service.formats.numbers import surely_finite
from service.release.manifest import Manifest
from service.sampling import Plan, default_plan, methods_of
from service.sessions import Floats
from service.settings import Settings

TIMEOUT_HEADER: Final = "X-Manifold-Timeout"

_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
_LARGEST_SEED = 2**63 - 1
_DEFAULT_SAMPLES = 64
_HOTTEST = 10.0
_DEFAULT_NEIGHBOURS = 10
_DEFAULT_STEPS = 8


def check_rows(array: npt.NDArray[Any], field: str, shape: tuple[int, ...], max_rows: int) -> Floats:
    """An array of numbers -> float32 rows (batch, *shape), in memory of their own where they were not.

    Raises:
        InvalidValueError: no rows, another shape, or a value that is not finite in float32.
        TooLargeError: more than `max_rows`.
    """
    if array.shape[1:] != shape or array.ndim == 0:
        if array.shape == (0,):
            raise InvalidValueError(f"{field}: an empty batch came, at least one row expected", field=field)
        expected = ", ".join(["batch", *map(str, shape)])
        raise InvalidValueError(f"{field}: shape {array.shape} came, ({expected}) expected", field=field)
    if len(array) == 0:
        raise InvalidValueError(f"{field}: an empty batch came, at least one row expected", field=field)
    if len(array) > max_rows:
        raise too_many_rows(field, len(array), max_rows)
    return check_finite(array, field)


def check_finite(array: npt.NDArray[Any], field: str) -> Floats:
    """An array of numbers -> float32 of the same shape, in memory of its own where it was not.

    Raises:
        InvalidValueError: a value is not finite in float32; the message says where.
    """
    if array.dtype == np.float32:
        rows = np.ascontiguousarray(array, dtype=np.float32)
    else:
        with np.errstate(over="ignore"):
            rows = np.ascontiguousarray(array, dtype=np.float32)
    if surely_finite(rows):
        return rows
    finite = np.isfinite(rows)
    if not finite.all():
        index = tuple(int(place) for place in np.argwhere(~finite)[0])
        where = field + "".join(f"[{place}]" for place in index)
        raise InvalidValueError(f"{where}: {array[index]} came, finite float32 numbers expected", field=field)
    return rows


def check_answers(answers: Floats, field: str) -> Floats:
    """Answers as they are.

    Raises:
        InvalidValueError: one is not finite: the values of `field` were too large for the network.
    """
    if not surely_finite(answers) and not np.isfinite(answers).all():
        row = int(np.argwhere(~np.isfinite(answers))[0][0])
        raise InvalidValueError(f"{field}[{row}]: values too large, the answer is not finite", field=field)
    return answers


def check_depth(value: Any, manifest: Manifest) -> int | None:
    """The depth asked for: None for the code z, else 1 up to the layer before it.

    Raises:
        InvalidValueError: no such layer.
    """
    layers = len(manifest.code.layers)
    if value is None:
        return None
    depth = check_whole(value, "depth", 1, layers)
    return None if depth == layers else depth


def space_at(manifest: Manifest, depth: int | None) -> str:
    """The space of the code at a depth: an inner code is another coordinate system than z."""
    return manifest.space_id if depth is None else f"{manifest.space_id}/depth-{depth}"


def check_space(value: Any, space: str) -> None:
    """Nothing, if the request names no space or the live one.

    Raises:
        InvalidValueError: it is no text.
        WrongSpaceError: the live release's space is another one.
    """
    if value is None:
        return
    if not isinstance(value, str):
        raise InvalidValueError(f"space: {_came(value)} came, text expected", field="space")
    if value != space:
        raise WrongSpaceError(f"space: {value:.80} came, the live release's is {space}", field="space")


def check_seed(value: Any) -> int:
    """A seed, 0 and up.

    Raises:
        InvalidValueError: it is no such number.
    """
    return check_whole(value, "seed", 0, _LARGEST_SEED)


def check_plan(fields: Mapping[str, Any], manifest: Manifest, settings: Settings) -> Plan:
    """What a request for samples asks for, and the release's own choice where it does not say.

    Raises:
        InvalidValueError: a method that the release has not, an option that the method has not, too much work, or a
            value of the wrong kind.
    """
    count = check_whole(fields.get("count", _DEFAULT_SAMPLES), "count", 1, settings.max_rows)
    plan = default_plan(manifest, count, check_seed(fields.get("seed", 0)))
    method = fields.get("method", plan.method)
    if method not in (known := methods_of(manifest)):
        raise InvalidValueError(
            f"method: {_came(method)} came; release {manifest.version} has {' and '.join(known)}", field="method"
        )
    plan = replace(plan, method=method)
    for option, suits in (("steps", method != "density"), ("temperature", method == "density")):
        if option in fields and not suits:
            raise InvalidValueError(f"{option}: not for method {method}; leave it out", field=option)
    if method == "density":
        return replace(plan, steps=1, temperature=_check_temperature(fields.get("temperature", 1.0)))
    most = max(1, settings.max_sample_steps // count)
    if "steps" not in fields and plan.steps > most:
        raise InvalidValueError(
            f"count: {count} rows of {plan.steps} steps are more than {settings.max_sample_steps} in all", field="count"
        )
    return replace(plan, steps=check_whole(fields.get("steps", plan.steps), "steps", 1, most))


def _check_temperature(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value <= _HOTTEST:
        raise InvalidValueError(
            f"temperature: {_came(value)} came, a number from 0 to {_HOTTEST:g} expected", field="temperature"
        )
    return float(value)


def check_neighbours(value: Any, known: int, most: int) -> int:
    """How many neighbours are asked for: by default 10, or as many as there are.

    Args:
        value: what came, or None.
        known: reference rows that the release keeps.
        most: that a request may ask for.

    Raises:
        InvalidValueError: it is no such number.
    """
    most = min(known, most)
    return min(_DEFAULT_NEIGHBOURS, most) if value is None else check_whole(value, "k", 1, most)


def check_path(ends: Floats, field: str, value: Any, max_rows: int) -> int:
    """How many points a path between two ends has, the ends among them: by default 8.

    Raises:
        InvalidValueError: other than two ends came, or no such number.
    """
    if len(ends) != 2:
        raise InvalidValueError(f"{field}: {len(ends)} came, the 2 ends of a path expected", field=field)
    most = max(2, max_rows)
    return min(_DEFAULT_STEPS, most) if value is None else check_whole(value, "steps", 2, most)


def check_timeout(value: str | None, most: float) -> float:
    """The seconds that a request may take: what the client asks for by `X-Manifold-Timeout`, at most `most`.

    Raises:
        InvalidValueError: it is no positive number of seconds.
    """
    if value is None:
        return most
    if not _SECONDS.fullmatch(value) or float(value) == 0:
        raise InvalidValueError(
            f"{TIMEOUT_HEADER}: {value:.40} came, seconds such as 0.5 expected", field=TIMEOUT_HEADER
        )
    return min(float(value), most)


def check_whole(value: Any, field: str, least: int, most: int) -> int:
    """A whole number from `least` to `most`, which may come as text from a query string.

    Raises:
        InvalidValueError: it is something else.
    """
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if type(value) is not int or not least <= value <= most:
        raise InvalidValueError(
            f"{field}: {_came(value)} came, a whole number from {least} to {most} expected", field=field
        )
    return value


def _came(value: Any) -> str:
    """A value of JSON, shortly: Python cannot write down one that is nested as deep as JSON may be."""
    return kind_of(value) if isinstance(value, list | dict) else f"{value!r:.40}"
