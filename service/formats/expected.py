"""What a route takes, and what a request says: the same whatever the format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy.typing as npt

from service.errors import InvalidValueError
from service.release.manifest import Input


class Read(NamedTuple):
    """What a request says.

    Attributes:
        rows: the array under the rows' field; numbers of any shape.
        options: the other fields, as they came: JSON values, or text from the query string or a form.
        field: what the rows are called.
    """

    rows: npt.NDArray[Any]
    options: dict[str, Any]
    field: str


class Expected(NamedTuple):
    """What a route takes.

    Attributes:
        field: what the rows are called: "x" for data, "z" for codes.
        options: fields that may come beside the rows.
        max_rows: more are refused.
        max_values: images of more values in all are refused, before one is unpacked.
        images_as: the input of the live release where rows may be images, else None.
        or_field: what may come in the place of `field`, and is no image. A body of nothing but an npy says so by the
            option `field`.
    """

    field: str
    options: tuple[str, ...]
    max_rows: int
    max_values: int
    images_as: Input | None
    or_field: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return (self.field,) if self.or_field is None else (self.field, self.or_field)

    def images_in(self, field: str) -> Input | None:
        """As what images are read that come under a name."""
        return self.images_as if field == self.field else None


def one_of(names: tuple[str, ...], fields: Mapping[str, Any]) -> str:
    """The one name that is a field.

    Raises:
        InvalidValueError: none is, or more than one.
    """
    came = [name for name in names if name in fields]
    if not came:
        instead = "".join(f", or {name}" for name in names[1:])
        raise InvalidValueError(f"{names[0]}: missing; an array of rows expected{instead}", field=names[0])
    if len(came) > 1:
        raise InvalidValueError(f"{' and '.join(came)} came, one of them expected", field=came[-1])
    return came[0]


def refuse_unknown(came: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    """Nothing, if all names are allowed.

    Raises:
        InvalidValueError: one is not.
    """
    for name in came:
        if name not in allowed:
            known = ", ".join(allowed) or "none here"
            raise InvalidValueError(f"{name[:40]}: unknown field; known are: {known}", field=name[:40])
