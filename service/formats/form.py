"""The parts of a form -> rows and options: images and perhaps one npy under one name, in their order."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from service.errors import InvalidValueError, UnsupportedTypeError
from service.formats import images, json, multipart, npy
from service.formats.expected import Expected, Read, one_of, refuse_unknown


def read_form(parts: tuple[multipart.Part, ...], expected: Expected) -> Read:
    """Rows and options of a form.

    Raises:
        UnsupportedTypeError: a file is neither an image nor an npy.
        InvalidValueError, MalformedError, TooLargeError: see the formats; or a part has an unknown name.
    """
    options: dict[str, Any] = {}
    given: dict[str, list[multipart.Part]] = {}
    for part in parts:
        if part.name in expected.names:
            given.setdefault(part.name, []).append(part)
            continue
        refuse_unknown({part.name: part}, (*expected.names, *expected.options))
        if part.name in options:
            raise InvalidValueError(f"{part.name}: came twice, once expected", field=part.name)
        options[part.name] = part.text()
    field = one_of(expected.names, given)
    return Read(_rows_of(given[field], field, expected), options, field)


def _rows_of(parts: list[multipart.Part], field: str, expected: Expected) -> npt.NDArray[Any]:
    images_as = expected.images_in(field)
    spoken = (npy.MEDIA_TYPE, *(images.MEDIA_TYPES if images_as is not None else ()))
    for at, part in enumerate(parts):
        if part.media_type not in spoken:
            came = part.media_type or "no type, and none that its first bytes tell,"
            raise UnsupportedTypeError(f"{field}[{at}]: {came:.80} came, {' or '.join(spoken)} expected", field=field)
    pictures = sum(part.is_image for part in parts)
    if len(parts) - pictures > 1:
        raise InvalidValueError(f"{field}: {len(parts) - pictures} npy came, at most one expected", field=field)
    if pictures > expected.max_rows:
        raise json.too_many_rows(field, pictures, expected.max_rows)
    if images_as is None or not pictures:
        return npy.read(parts[0].content, field)
    images.check_total(pictures, images_as, field, expected.max_values)
    rows: list[npt.NDArray[Any]] = []
    for at, part in enumerate(parts):
        where = f"{field}[{at}]"
        if part.is_image:
            rows.append(images.read_one_of_many(part.content, part.media_type, images_as, field, where))
            continue
        array = npy.read(part.content, field)
        if array.shape[1:] != images_as.shape or array.ndim == 0:
            row = ", ".join(["batch", *map(str, images_as.shape)])
            raise InvalidValueError(f"{where}: shape {array.shape} came, ({row}) expected", field=field)
        rows.append(array)
    return np.concatenate(rows)
