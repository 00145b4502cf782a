"""What a route that takes rows or codes can be sent, by media type, with examples that the live release answers.

An example of bytes is a data URI under `externalValue`, so that the document needs nothing beside it.
"""

from __future__ import annotations

import base64
import io
import math
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from service.formats import base64_arrays, images, multipart, npy
from service.openapi.parts import BINARY, CODES_EXAMPLE, ROWS_EXAMPLE, Part
from service.release.manifest import Input, Manifest

# Rows of more numbers than this have no example in numbers.
_SHORT = 1024
_BOUNDARY = "example"


class Bodies:
    """The bodies of a release; where none is live, examples only say what rows may look like.

    Args:
        manifest: of the live release, or None.
    """

    def __init__(self, manifest: Manifest | None) -> None:
        self._manifest = manifest

    def values(self, field: str, count: int = 1) -> dict[str, Any]:
        """Values of "x" or "z" in JSON, by what they are: numbers, base64, images."""
        if self._manifest is None:
            return {"numbers": (ROWS_EXAMPLE if field == "x" else CODES_EXAMPLE) * count}
        array = self._array(field, count)
        values: dict[str, Any] = {}
        if array[0].size <= _SHORT:
            values["numbers"] = array.tolist()
        pictures = self._pictures if field == "x" else {}
        if "image/png" in pictures:
            values["images"] = [_data_uri("image/png", pictures["image/png"])] * count
        if array[0].size <= _SHORT or not values:
            values["base64"] = base64_arrays.write(array)
        return values

    def content(self, fields: tuple[str, ...], count: int, options: Part) -> Part:
        """Media type -> schema and examples, of what is not JSON.

        Args:
            fields: "x" or "z" or both, the first being what a body of one npy or image is.
            count: how many rows the route needs.
            options: that may come beside the rows.
        """
        names = [name for name in self.components if name.startswith(f"{fields[0]}_{count}_")]
        kinds = [_kind_of(name) for name in names] if self._manifest is not None else self._possible(fields[0], count)
        content: Part = {}
        for kind in kinds:
            examples = {name: {"$ref": f"#/components/examples/{name}"} for name in names if _kind_of(name) == kind}
            schema = _form(fields, options) if kind == multipart.MEDIA_TYPE else BINARY
            content[kind] = {"schema": schema} | ({"examples": examples} if examples else {})
        return content

    @cached_property
    def components(self) -> dict[str, Part]:
        """Examples of bytes, by name: field, how many rows, and what they are in."""
        if self._manifest is None:
            return {}
        made: dict[str, Part] = {}
        for field in ("x", "z"):
            for count in (1, 2):
                content = npy.write(self._array(field, count))
                made[f"{field}_{count}_npy"] = _external(npy.MEDIA_TYPE, content)
                parts = {"npy": [(npy.MEDIA_TYPE, content)]}
                if field == "x":
                    parts |= {kind[6:]: [(kind, picture)] * count for kind, picture in self._pictures.items()}
                for kind, files in parts.items():
                    said = f"{multipart.MEDIA_TYPE};boundary={_BOUNDARY}"
                    made[f"{field}_{count}_form_of_{kind}"] = _external(said, _written_form(field, files))
        return made | {f"x_1_{kind[6:]}": _external(kind, picture) for kind, picture in self._pictures.items()}

    def _possible(self, field: str, count: int) -> list[str]:
        pictures = images.MEDIA_TYPES if field == "x" and count == 1 else ()
        return [npy.MEDIA_TYPE, multipart.MEDIA_TYPE, *pictures]

    def _array(self, field: str, count: int) -> npt.NDArray[np.float32]:
        if self._manifest is None:
            raise ValueError("no release is live")
        described, code = self._manifest.input, self._manifest.code.size
        if field == "x":
            return np.full((count, *described.shape), described.minimum, np.float32)
        return np.zeros((count, code), np.float32)

    @cached_property
    def _pictures(self) -> dict[str, bytes]:
        """One row as an image, by media type."""
        if self._manifest is None or self._manifest.input.kind == "vector":
            return {}
        return {kind: _picture(kind, self._manifest.input) for kind in images.kinds(self._manifest.input)}


def one_or_many(examples: dict[str, Any]) -> Part:
    """Examples of JSON by name, as a media type has them."""
    return {"examples": {name: {"value": value} for name, value in examples.items()}}


_ENDINGS: Final = {"npy": npy.MEDIA_TYPE, **{kind[6:]: kind for kind in images.MEDIA_TYPES}}


def _kind_of(name: str) -> str:
    """The media type of an example."""
    return multipart.MEDIA_TYPE if "_form_of_" in name else _ENDINGS[name.rpartition("_")[2]]


def _form(fields: tuple[str, ...], options: Part) -> Part:
    """The schema of a form."""
    file = {"contentMediaType": "application/octet-stream"}
    given: Part = {
        "type": "array",
        "items": file,
        "description": "images, a row each, and perhaps one npy; in their order",
    }
    rows: Part = dict.fromkeys(fields, given)
    required: Part = {"required": list(fields)} if len(fields) == 1 else {}
    return {"type": "object", "properties": rows | options} | required


def _written_form(field: str, files: list[tuple[str, bytes]]) -> bytes:
    lines: list[bytes] = []
    for at, (kind, content) in enumerate(files):
        head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="{at}"\r\n'
        lines += [head.encode(), f"Content-Type: {kind}\r\n\r\n".encode(), content, b"\r\n"]
    return b"".join([*lines, f"--{_BOUNDARY}--\r\n".encode()])


def _picture(kind: str, described: Input) -> bytes:
    """A black image that fits the rows."""
    height, width = described.shape[:2]
    channels = math.prod(described.shape[2:])
    mode = "I;16" if described.maximum > 255 else "L" if channels < 3 else "RGB"
    buffer = io.BytesIO()
    Image.new(mode, (width, height)).save(buffer, images.MEDIA_TYPES[kind])
    return buffer.getvalue()


def _external(kind: str, content: bytes) -> Part:
    return {"externalValue": _data_uri(kind, content)}


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
