"""What BentoML's clients are told of the native endpoints `embed`, `classify`, `generate`, `reconstruct` and `score`.

BentoML would read a body by these models: reshape silently, take booleans for numbers, ignore unknown fields,
and answer errors in three shapes. Here they declare the fields only; the endpoint reads the request itself,
by the same code as `/v1`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import Field
from starlette.requests import Request

if TYPE_CHECKING:
    # BentoML's descriptors are pydantic models, and have no types of their own.
    from pydantic import BaseModel as IODescriptor
else:
    from bentoml import IODescriptor


class _Declared(IODescriptor):
    """Fields that are declared to clients, and left unread."""

    @classmethod
    async def from_http_request(cls, _request: Request, _serde: Any) -> Self:
        """BentoML's hook for reading a body: nothing is read."""
        return cls.model_construct(**dict.fromkeys(cls.model_fields))


class RowsBody(_Declared):
    x: np.ndarray = Field(description="rows, (batch, *shape), in the data's own units")
    depth: int | None = Field(default=None, description="the code of this greedy layer, counted from 1")
    space: str | None = Field(default=None, description="the space expected; another is answered 409")


class PlainRowsBody(_Declared):
    x: np.ndarray = Field(description="rows, (batch, *shape), in the data's own units")
    space: str | None = Field(default=None, description="the space expected; another is answered 409")


class CodesBody(_Declared):
    z: np.ndarray = Field(description="codes, (batch, code size)")
    space: str | None = Field(default=None, description="the space of the codes; another is answered 409")


class CodesAnswer(IODescriptor):
    z: np.ndarray = Field(description="codes, (batch, code size)")
    space: str
    release: str


class ClassesAnswer(IODescriptor):
    p: np.ndarray = Field(description="probabilities, (batch, classes), in the order of the release's label names")
    label: list[str] = Field(description="the likeliest label of each row")
    space: str
    release: str


class RowsAnswer(IODescriptor):
    x: np.ndarray = Field(description="rows, (batch, *shape), in the data's own units")
    space: str
    release: str


class ScoresAnswer(IODescriptor):
    reconstruction_error: np.ndarray = Field(description="x to z to x: squared error, summed, scaled units; (batch,)")
    reconstruction_p: np.ndarray = Field(description="share of unseen rows that are rebuilt as badly")
    latent_distance: np.ndarray = Field(description="Mahalanobis distance of the code to the training codes' mean")
    latent_p: np.ndarray = Field(description="share of unseen rows whose codes are as far")
    space: str
    release: str
