"""What is sent to the parsers: bodies of every kind, right, nearly right, and arbitrary."""

from __future__ import annotations

import base64
import io
import json
import os
from typing import Any, Final

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from PIL import Image

from service.release.manifest import Input

# `make fuzz` asks for many, and for other ones each time.
EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES", "0"))
SUITE_EXAMPLES: Final = 60
fuzzed = settings(
    max_examples=EXAMPLES or SUITE_EXAMPLES,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

KINDS: Final = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
# Rows of every kind that images can be of, and of none.
DESCRIBED: Final = [
    Input.model_validate({"kind": kind, "shape": shape, "stored_dtype": "uint8", "minimum": 0, "maximum": maximum})
    for kind, shape, maximum in (
        ("image", (4, 4), 255), ("image", (4, 4), 65535), ("image", (4, 4, 2), 255), ("image", (4, 4, 3), 255),
        ("image", (4, 4, 4), 255), ("vector", (16,), 255),
    )
]  # fmt: skip


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def picture(kind: str, mode: str, size: tuple[int, int] = (4, 4)) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise(size, 50).convert(mode).save(buffer, kind)
    return buffer.getvalue()


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes with some of them changed, cut out, doubled, or put in."""
    found = bytearray(content)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(0, len(found) - 1)))
        length = draw(st.integers(0, 8))
        piece = draw(
            st.one_of(st.binary(max_size=8), st.just(bytes(found[at : at + length])), st.just(b"\xff\xff\xff\xff"))
        )
        kept = draw(st.sampled_from([at, at + len(piece), at + length]))
        found[at:kept] = piece
    return bytes(found[: draw(st.integers(0, len(found)))] if draw(st.booleans()) else found)


def _damaged_ones(contents: list[bytes]) -> st.SearchStrategy[bytes]:
    return st.sampled_from(contents).flatmap(damaged)


@st.composite
def npy_headers(draw: st.DrawFn) -> bytes:
    """An npy file whose header says anything."""
    dtype = draw(
        st.sampled_from(
            ["<f4", ">f8", "|u1", "|O", "|b1", "<U4", "<c8", "|V8", "<M8[s]", "<f2", "=i8", "<f16", "f4", "|i9"]
        )
    )
    shape = draw(st.one_of(
        st.lists(st.integers(0, 4), max_size=10).map(lambda sizes: str(tuple(sizes))),
        st.lists(st.integers(-1, 10**25), max_size=3).map(lambda sizes: str(tuple(sizes))),
        st.text("0123456789,() -xL[]", max_size=40),
    ))  # fmt: skip
    fortran = draw(st.sampled_from(["True", "False", "0", "None"]))
    text = draw(st.sampled_from([
        f"{{'descr': '{dtype}', 'fortran_order': {fortran}, 'shape': {shape}, }}",
        f"{{'shape': {shape}, 'descr': '{dtype}', 'fortran_order': {fortran}}}",
        f"{{'descr': [('a', '{dtype}')], 'fortran_order': {fortran}, 'shape': {shape}}}",
    ])).encode()  # fmt: skip
    version = draw(st.sampled_from([1, 1, 1, 2, 3, 0, 9]))
    length = len(text) + draw(st.sampled_from([0, 0, 0, 1, -1, 60000]))
    return (
        b"\x93NUMPY"
        + bytes([version, 0])
        + max(0, length).to_bytes(2 if version == 1 else 4, "little")
        + text
        + draw(st.binary(max_size=80))
    )


_ROW: Final = np.arange(16).reshape(1, 4, 4)
_NPY: Final = [npy(_ROW.astype(dtype)) for dtype in ("<f4", ">f8", "u1", "<i8", "<f2")] + [
    npy(np.asfortranarray(np.ones((3, 4, 4))))
]
NPY: Final = st.one_of(_damaged_ones(_NPY), npy_headers(), st.binary(max_size=200))

_NUMBERS: Final = st.one_of(
    st.integers(-(2**70), 2**70), st.floats(), st.sampled_from([0, 1, -1, 2**63, 2**64, 1e308, -0.0, 5e-324])
)
ANY_JSON: Final[st.SearchStrategy[Any]] = st.recursive(
    st.one_of(st.none(), st.booleans(), _NUMBERS, st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=20,
)
ROWS: Final = st.one_of(
    ANY_JSON,
    st.lists(st.lists(st.lists(_NUMBERS, min_size=4, max_size=4), min_size=4, max_size=4), max_size=3),
    st.lists(st.lists(_NUMBERS, max_size=4), max_size=4),
    # As deep as a parser allows.
    st.integers(1, 1100).map(lambda depth: _nested(depth)),
)


def _nested(depth: int) -> Any:
    rows: Any = 1
    for _ in range(depth):
        rows = [rows]
    return rows


def _written(value: Any) -> bytes:
    """Python writes NaN, Infinity and numbers of any length, as a client may."""
    return json.dumps(value).encode("utf-8", "surrogatepass") if _depth_fits(value) else b"[" * 2000


def _depth_fits(value: Any) -> bool:
    depth = 0
    while isinstance(value, list) and value:
        value, depth = value[0], depth + 1
    return depth < 900


def messages(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[bytes]:
    """JSON objects with some of these fields, others, or none; some of them damaged."""
    right = st.fixed_dictionaries({}, optional={**fields, "y": ANY_JSON}).map(_written)
    return st.one_of(right, right.flatmap(damaged), ANY_JSON.map(_written), st.binary(max_size=100))


OPTIONS: Final[dict[str, st.SearchStrategy[Any]]] = {
    name: st.one_of(ANY_JSON, st.integers(-2, 3), st.sampled_from(["density", "walkback", "1", "x", "z"]))
    for name in ("depth", "space", "k", "steps", "count", "seed", "method", "temperature")
}
IMAGES: Final = {
    kind: st.one_of(
        _damaged_ones(
            [
                picture(name, mode)
                for mode in (["L", "RGB"] + (["RGBA", "LA", "P", "1", "I;16"] if name == "PNG" else []))
            ]
        ),
        st.binary(max_size=100),
    )
    for kind, name in KINDS.items()
}
FORM: Final = "multipart/form-data; boundary=b"


@st.composite
def forms(draw: st.DrawFn) -> bytes:
    """Files and options as a browser sends them, and such as none would."""
    parts = []
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from([*KINDS, "application/x-npy", "text/plain", ""]))
        content = draw(IMAGES.get(kind, st.one_of(NPY, st.binary(max_size=20))))
        name = draw(st.sampled_from(["x", "z", "depth", "k", "y", ""]))
        head = f'Content-Disposition: form-data; name="{name}"; filename="f"\r\nContent-Type: {kind}\r\n\r\n'
        parts.append(b"--b\r\n" + head.encode() + content + b"\r\n")
    return draw(damaged(b"".join(parts) + b"--b--\r\n"))


# By Content-Type: what `service.formats.request` reads. One more kind of body is one more line.
BODIES: Final[dict[str, st.SearchStrategy[bytes]]] = {
    "application/json": messages({"x": ROWS, "z": ROWS, **OPTIONS}),
    "application/x-npy": NPY,
    **IMAGES,
    FORM: forms(),
}


@st.composite
def data_uris(draw: st.DrawFn) -> str:
    """Data URIs of images, right and wrong ones, and other text."""
    kind = draw(st.sampled_from([*KINDS, "image/gif", "text/plain", ""]))
    content = draw(IMAGES.get(kind, st.binary(max_size=50)))
    encoded = base64.b64encode(content).decode()
    uri = f"data:{kind};base64,{encoded}"
    cut = draw(st.integers(0, len(uri)))
    put = draw(st.text(max_size=4))
    return draw(
        st.sampled_from(
            [uri, uri, uri[:cut] + put + uri[cut:], uri[:cut], f"https://h/{put}.png", put, f"data:{kind},{encoded}"]
        )
    )


INPUTS: Final = st.one_of(ROWS, data_uris(), st.lists(st.one_of(data_uris(), ANY_JSON), max_size=4))
OPENAI: Final = messages(
    {
        "model": st.one_of(st.just("champion"), ANY_JSON),
        "input": INPUTS,
        "encoding_format": st.sampled_from(["float", "base64", "x", 1]),
        "dimensions": st.one_of(st.integers(0, 4), ANY_JSON),
        "user": ANY_JSON,
        **OPTIONS,
    }
)


@st.composite
def inference_requests(draw: st.DrawFn) -> tuple[bytes, str | None]:
    """A body of the Open Inference Protocol, and how much of it the header says is JSON."""
    datatype = draw(st.sampled_from(["FP32", "FP64", "FP16", "INT8", "UINT64", "BF16", "BOOL", "BYTES", "", 3]))
    shape = draw(st.one_of(
        st.just([1, 4, 4]), st.just([2, 4, 4]), st.lists(st.integers(-1, 5), max_size=10),
        st.lists(st.integers(0, 2**70), max_size=4), ANY_JSON,
    ))  # fmt: skip
    sizes = {"FP32": 4, "FP64": 8, "FP16": 2, "INT8": 1, "UINT64": 8}
    stated = 16 * sizes.get(str(datatype), 4) + draw(st.sampled_from([0, 0, 0, -1, 1, 2**40]))
    came = draw(st.one_of(st.binary(min_size=0, max_size=80), st.just(b"\x00" * max(0, min(stated, 200)))))
    tensor: dict[str, Any] = {
        "name": draw(st.sampled_from(["x", "z", "y", None])),
        "datatype": datatype,
        "shape": shape,
    }
    if draw(st.booleans()):
        tensor["data"] = draw(st.one_of(ROWS, st.lists(_NUMBERS, min_size=16, max_size=16)))
        came = draw(st.sampled_from([b"", came]))
    else:
        tensor["parameters"] = draw(
            st.one_of(st.just({"binary_data_size": stated}), st.just({"binary_data_size": len(came)}), ANY_JSON)
        )
    message = {"inputs": draw(st.one_of(st.just([tensor]), st.just([tensor, tensor]), ANY_JSON))}
    message |= draw(
        st.fixed_dictionaries(
            {},
            optional={"id": ANY_JSON, "outputs": st.one_of(ANY_JSON, st.just([{"name": "z"}])), "parameters": ANY_JSON},
        )
    )
    text = _written(message)
    if draw(st.booleans()):
        text = draw(damaged(text))
    said = draw(st.sampled_from([str(len(text)), str(len(text)), None, "-1", "1e3", str(len(text) + 10**6), "٣", ""]))
    return text + came, said
