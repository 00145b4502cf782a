"""Small bodies that would be large: refused by what their headers declare, while others are answered."""

from __future__ import annotations

import base64
import gzip
import io
import json
import struct
import zlib
from collections.abc import Iterator

import httpx
import pytest
from PIL import Image

from tests.service.processes import Server
from tests.service.refusals import refused
from tests.service.sockets import Bystander, answered_throughout
from tests.service.worker import resident_bytes

SIDE = 60_000
# What reading a refused body may take for good: some of the allocator's own, never the pixels (3.6 GB).
GROWTH = 16_000_000


@pytest.fixture
def bystander(server: Server) -> Iterator[Bystander]:
    with answered_throughout(server) as seen:
        yield seen


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *extra: bytes) -> bytes:
    """A grey PNG whose pixels are packed as tightly as they go."""
    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(bytes(width + 1)) for _ in range(min(height, 2000))) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(extra) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "JPEG")
    content = bytearray(buffer.getvalue())
    start = content.index(b"\xff\xc0") + 5
    content[start : start + 4] = struct.pack(">HH", height, width)
    return bytes(content)


def webp(width: int, height: int) -> bytes:
    """Lossless, of the most that the format holds: 14 bits a side."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "WEBP", lossless=True)
    content = bytearray(buffer.getvalue())
    start = content.index(b"VP8L") + 9
    content[start : start + 4] = struct.pack("<I", (width - 1) | (height - 1) << 14)
    return bytes(content)


BOMBS = {
    "png": ("image/png", png(SIDE, SIDE)),
    "png of the right size with a bomb of a text": (
        "image/png", png(4, 4, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(90_000_000), 9)))
    ),
    "jpeg": ("image/jpeg", jpeg(SIDE, SIDE)),
    "webp": ("image/webp", webp(16_384, 16_384)),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_an_image_that_unpacks_to_much_is_refused_unread(
    server: Server, http: httpx.Client, bystander: Bystander, name: str
) -> None:
    kind, content = BOMBS[name]
    assert len(content) < 200_000
    before = resident_bytes(server)
    for path in ("/v1/embed", "/embed"):
        answer = http.post(path, content=content, headers={"Content-Type": kind})
        assert answer.status_code in (400, 422), answer.text
        assert answer.elapsed.total_seconds() < 1
    uri = f"data:{kind};base64,{base64.b64encode(content).decode()}"
    many = {"model": "champion", "input": [uri] * (150_000 // len(uri) or 1)}
    answer = http.post("/v1/embeddings", json=many)
    assert answer.status_code in (400, 413, 422), answer.text
    assert resident_bytes(server) - before < GROWTH


def test_a_packed_body_is_refused_unread(server: Server, http: httpx.Client, bystander: Bystander) -> None:
    before = resident_bytes(server)
    bomb = gzip.compress(b'{"x": [' + b"1," * 50_000_000 + b"1]}")
    for encoding in ("gzip", "deflate", "br", "zstd", "gzip, gzip", "GZIP"):
        headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
        refused(
            http.post("/v1/embed", content=bomb[:150_000], headers=headers), 415, "unsupported_type", "Content-Encoding"
        )
    assert resident_bytes(server) - before < GROWTH


def test_deep_and_wide_json_is_refused_in_time(server: Server, http: httpx.Client, bystander: Bystander) -> None:
    before = resident_bytes(server)
    for rows in (
        "[" * 99_000 + "]" * 99_000,
        "[" + "[]," * 60_000 + "[]]",
        "[[" + "1e308," * 30_000 + "1]]",
        "9" * 190_000,
    ):
        answer = http.post("/v1/embed", content=f'{{"x": {rows}}}', headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 413, 422), answer.text
        assert answer.elapsed.total_seconds() < 1
    assert resident_bytes(server) - before < 4 * GROWTH


def test_a_request_for_much_work_is_refused(server: Server, http: httpx.Client, bystander: Bystander) -> None:
    for path, fields in (
        ("/v1/sample", {"count": 10**9}),
        ("/v1/sample", {"count": 256, "method": "walkback", "steps": 10**6}),
        ("/v1/interpolate", {"z": [[0, 0], [1, 1]], "steps": 10**9}),
        ("/v1/neighbors", {"z": [[0, 0]], "k": 10**9}),
    ):
        answer = http.post(path, content=json.dumps(fields), headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, answer.text
