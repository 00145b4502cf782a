"""Messages of the Open Inference Protocol, with the binary tensor extension.

A body is JSON, and behind it, where the header `Inference-Header-Content-Length` says where the JSON ends, the
values of tensors in their order (kserve/docs/predict-api/v2/required_api.md; docs.nvidia.com, "Binary Tensor Data
Extension").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy.typing as npt
from starlette.responses import Response

from service.errors import InvalidValueError, MalformedError, UnsupportedTypeError
from service.formats import json
from service.formats.answer import Origin
from service.formats.request import JSON
from service.formats.tensors import declared, read_bytes, read_json
from service.sessions import Floats

LENGTH_HEADER = "Inference-Header-Content-Length"
BINARY = "application/octet-stream"

# What would change the answer, and is not spoken here.
_NOT_SPOKEN = ("shared_memory_region", "classification")


class Wanted(NamedTuple):
    """An output that a client asks for, and whether as bytes."""

    name: str
    binary: bool


class Read(NamedTuple):
    """What a request for inference says.

    Attributes:
        id: to be said in the answer again; None where there is none.
        rows: the values of the input; numbers of any shape.
        outputs: what is asked for, in its order.
        space: the parameter of that name, as it came.
    """

    id: str | None
    rows: npt.NDArray[Any]
    outputs: tuple[Wanted, ...]
    space: Any


class Output(NamedTuple):
    """An output that leaves; the space is None where it holds no codes."""

    name: str
    array: Floats
    binary: bool
    space: str | None


def read(
    body: bytes,
    content_type: str | None,
    header_length: str | None,
    *,
    field: str,
    outputs: tuple[str, ...],
    max_rows: int,
) -> Read:
    """A request for inference.

    Args:
        body: the bytes.
        content_type: the header; its clients mostly send none.
        header_length: the header `Inference-Header-Content-Length`.
        field: what the model's only input is called.
        outputs: what its outputs are called; all are meant where none is asked for.
        max_rows: more are refused.

    Raises:
        UnsupportedTypeError: another content type.
        MalformedError: no JSON, or sizes that do not add up.
        InvalidValueError: a field of the wrong kind, an input or output that the model has not, or its values.
        TooLargeError: too many rows.
    """
    media_type = (content_type or JSON).partition(";")[0].strip().lower()
    if media_type not in (JSON, BINARY):
        raise UnsupportedTypeError(
            f"Content-Type: {content_type:.80} came, {JSON} or {BINARY} expected", field="Content-Type"
        )
    length = len(body) if header_length is None else _length(header_length, len(body))
    text = body[:length]
    message = json.read_object(text)
    identity = message.get("id")
    if "id" in message and not isinstance(identity, str):
        raise InvalidValueError(f"id: {json.kind_of(identity)} came, a string expected", field="id")
    parameters = _parameters(message, "body")
    rows = _rows(message, field, max_rows, memoryview(body)[length:], suspicious=json.has_booleans(text))
    everything = _flag(parameters, "binary_data_output", default=False)
    return Read(identity, rows, _outputs(message, outputs, everything), parameters.get("space"))


def read_ready_only(body: bytes) -> bool:
    """Whether a request for the repository's index, which may be empty, asks for ready models only.

    Raises:
        MalformedError, InvalidValueError: it is no such request.
    """
    return bool(body) and _flag(json.read_object(body), "ready", default=False)


def write(model: str, origin: Origin, identity: str | None, outputs: Sequence[Output]) -> Response:
    """The answer: JSON, and behind it the values of the outputs that are to be bytes."""
    values = [output.array.tobytes() if output.binary else b"" for output in outputs]
    content = json.write(
        {
            "model_name": model,
            "model_version": origin.release,
            **({} if identity is None else {"id": identity}),
            "parameters": origin._asdict(),
            "outputs": [_described(output) for output in outputs],
        }
    )
    headers = {"X-Manifold-Space": origin.space, "X-Manifold-Release": origin.release}
    if not any(output.binary for output in outputs):
        return Response(content, 200, headers, JSON)
    headers[LENGTH_HEADER] = str(len(content))
    return Response(b"".join([content, *values]), 200, headers, BINARY)


def _described(output: Output) -> dict[str, Any]:
    array = output.array
    parameters: dict[str, Any] = {} if output.space is None else {"space": output.space}
    data: dict[str, Any] = {}
    if output.binary:
        parameters["binary_data_size"] = array.nbytes
    else:
        data["data"] = array.reshape(-1)
    described = {"name": output.name, "datatype": "FP32", "shape": list(array.shape), "parameters": parameters}
    return described | data


def _length(stated: str, came: int) -> int:
    """How many bytes of the body are JSON."""
    # Digits only: int() would accept much that is no length.
    if not (stated.isascii() and stated.isdigit() and len(stated) <= 18 and int(stated) <= came):
        raise MalformedError(f"{LENGTH_HEADER}: {stated:.40} came, 0 to {came} bytes expected", field=LENGTH_HEADER)
    return int(stated)


def _rows(
    message: dict[str, Any], field: str, max_rows: int, values: memoryview, *, suspicious: bool
) -> npt.NDArray[Any]:
    """The values of the one input there is."""
    (tensor,) = _objects(message, "inputs", 1)
    name = tensor.get("name")
    if name != field:
        raise _unknown("inputs", name, (field,))
    parameters = _parameters(tensor, field)
    said = declared(field, tensor.get("datatype"), tensor.get("shape"), max_rows)
    size = parameters.get("binary_data_size")
    if (size is None) == ("data" not in tensor):
        raise InvalidValueError(f"{field}: either data or parameters.binary_data_size expected", field=field)
    if type(size) not in (int, type(None)) or (size or 0) != len(values):
        stated = f"{size:,}" if type(size) is int else "no"
        raise MalformedError(
            f"{field}: {stated} bytes of binary data are stated, {len(values):,} came behind the JSON", field=field
        )
    return read_json(tensor["data"], said, suspicious=suspicious) if size is None else read_bytes(values, said)


def _outputs(message: dict[str, Any], known: tuple[str, ...], everything: bool) -> tuple[Wanted, ...]:
    """The outputs asked for; `everything`: as bytes where an output itself does not say."""
    if not message.get("outputs", []) and isinstance(message.get("outputs", []), list):
        return tuple(Wanted(name, everything) for name in known)
    wanted: dict[str, Wanted] = {}
    for tensor in _objects(message, "outputs", len(known)):
        name = tensor.get("name")
        if name not in known or name in wanted:
            raise _unknown("outputs", name, known)
        binary = _flag(_parameters(tensor, f"outputs: {name}"), "binary_data", default=everything)
        wanted[name] = Wanted(name, binary)
    return tuple(wanted.values())


def _objects(message: dict[str, Any], field: str, most: int) -> list[dict[str, Any]]:
    tensors = message.get(field)
    fits = isinstance(tensors, list) and 1 <= len(tensors) <= most
    if not fits or not isinstance(tensors, list) or not all(isinstance(tensor, dict) for tensor in tensors):
        many = "one object" if most == 1 else f"1 to {most} objects"
        raise InvalidValueError(f"{field}: an array of {many} expected", field=field)
    return tensors


def _parameters(message: dict[str, Any], where: str) -> dict[str, Any]:
    """The parameters of a message or tensor; unknown ones are let pass, as the protocol wants it."""
    parameters = message.get("parameters", {})
    if not isinstance(parameters, dict):
        raise InvalidValueError(
            f"{where}: parameters: {json.kind_of(parameters)} came, an object expected", field="parameters"
        )
    for name in _NOT_SPOKEN:
        if name in parameters:
            raise InvalidValueError(f"{where}: parameters: {name} is not spoken here", field="parameters")
    return parameters


def _flag(fields: dict[str, Any], name: str, *, default: bool) -> bool:
    value = fields.get(name, default)
    if not isinstance(value, bool):
        raise InvalidValueError(f"{name}: {json.kind_of(value)} came, true or false expected", field=name)
    return value


def _unknown(field: str, name: Any, known: tuple[str, ...]) -> InvalidValueError:
    came = f"{name:.40}" if isinstance(name, str) else json.kind_of(name)
    return InvalidValueError(f"{field}: {came} came; each once there can be: {', '.join(known)}", field=field)
