"""multipart/form-data: images or an npy as files, options as form fields; read as it arrives, kept in memory only.

Its bytes are counted where they are received (`service.door.body_limit`); here parts and their headers are.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final, NamedTuple

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.errors import InvalidValueError, MalformedError, TooLargeError
from service.formats import images, npy

if TYPE_CHECKING:
    # It has these for type checkers only.
    from python_multipart.multipart import MultipartCallbacks

MEDIA_TYPE: Final = "multipart/form-data"

# Types that say nothing: what curl names a file of an ending that it does not know, or a field.
_SILENT = ("", "application/octet-stream", "text/plain")
_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x93NUMPY", npy.MEDIA_TYPE),
)
_LONGEST_OPTION = 1000


class Part(NamedTuple):
    """One part: the name of its field, the type that it says it has, in lower case, and its bytes."""

    name: str
    stated_type: str
    content: bytes

    @property
    def media_type(self) -> str:
        """What it is: as stated, or where that says nothing, by its first bytes."""
        if self.stated_type not in _SILENT:
            return self.stated_type
        if self.content[:4] == b"RIFF" and self.content[8:12] == b"WEBP":
            return "image/webp"
        return next((kind for start, kind in _BEGINNINGS if self.content.startswith(start)), self.stated_type)

    @property
    def is_image(self) -> bool:
        return self.media_type in images.MEDIA_TYPES

    def text(self) -> str:
        """It, read as an option.

        Raises:
            MalformedError: it is no UTF-8.
            InvalidValueError: it is too long.
        """
        if len(self.content) > _LONGEST_OPTION:
            raise InvalidValueError(f"{self.name}: more than {_LONGEST_OPTION:,} bytes of text came", field=self.name)
        try:
            return self.content.decode()
        except UnicodeDecodeError as error:
            raise MalformedError(f"{self.name}: not UTF-8 text", field=self.name) from error


async def receive(chunks: AsyncIterator[bytes], content_type: str, max_parts: int) -> tuple[Part, ...]:
    """The parts of a body.

    Args:
        chunks: the body as it arrives.
        content_type: the header, which names the boundary.
        max_parts: more are refused.

    Raises:
        MalformedError: it is no multipart body, or ends too soon.
        TooLargeError: too many parts.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise MalformedError(f"Content-Type: {content_type:.80} came, a boundary expected", field="Content-Type")
    gathered = _Gathered(max_parts)
    try:
        parser = MultipartParser(boundary, gathered.callbacks())
        async for chunk in chunks:
            parser.write(chunk)
        parser.finalize()
    except FormParserError as error:
        raise MalformedError(f"body: not multipart/form-data of this boundary: {error}", field="body") from error
    if not gathered.ended:
        raise MalformedError("body: multipart/form-data that ends before its last boundary", field="body")
    return tuple(gathered.parts)


class _Gathered:
    """What the parser has come upon so far."""

    def __init__(self, max_parts: int) -> None:
        self.parts: list[Part] = []
        self.ended = False
        self._max_parts = max_parts
        self._headers: dict[bytes, bytes] = {}
        self._name = self._value = b""
        # Not a list of pieces: a body can be made so that each is a byte.
        self._content = bytearray()

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._last,
        }

    def _begin(self) -> None:
        if len(self.parts) == self._max_parts:
            raise TooLargeError(f"body: more than {self._max_parts:,} parts came in one request", field="body")
        self._headers, self._content = {}, bytearray()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._content += memoryview(data)[start:end]

    def _end(self) -> None:
        disposition = parse_options_header(self._headers.get(b"content-disposition", b"").decode("latin-1"))[1]
        name = disposition.get(b"name")
        if name is None:
            raise MalformedError(
                f"body: part {len(self.parts) + 1} has no name; Content-Disposition: form-data; name=... expected",
                field="body",
            )
        kind = self._headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
        self.parts.append(Part(name.decode("utf-8", "replace"), kind, bytes(self._content)))
        self._content = bytearray()

    def _last(self) -> None:
        self.ended = True
