"""What is asked: one request of each kind, in the convention of who is asked, and how its answer is read."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

FEATURES = 784
NPY = {"Content-Type": "application/x-npy", "Accept": "application/x-npy"}
JSON = {"Content-Type": "application/json"}
_TOLERANCE = 1e-4


class WrongAnswerError(Exception):
    """A side does not answer what ONNX Runtime answers in this process."""


@dataclass(frozen=True)
class Subject:
    """A request.

    Attributes:
        path: where it is sent.
        body: its bytes.
        headers: its content type, and what else its server wants.
        read: an answer's bytes -> its numbers.
    """

    path: str
    body: bytes
    headers: Mapping[str, str]
    read: Callable[[bytes], Any] = field(compare=False)

    def checked(self, url: str, expected: Floats) -> None:
        """Nothing, where the answer is the expected one within 1e-4 of its range.

        Raises:
            WrongAnswerError: it is another, or none.
        """
        answer = httpx.post(url + self.path, content=self.body, headers=dict(self.headers), timeout=30)
        if answer.status_code != 200:
            raise WrongAnswerError(f"{url}{self.path}: {answer.status_code} {answer.text:.200}")
        found = np.asarray(self.read(answer.content), np.float32).reshape(expected.shape)
        furthest = float(np.abs(found - expected).max())
        if not furthest <= _TOLERANCE * max(1.0, float(np.ptp(expected))):
            raise WrongAnswerError(f"{url}{self.path}: answers are {furthest:.3g} off")

    def stored(self, folder: Path, name: str) -> Path:
        """The body in a file, as the load generator reads it."""
        path = folder / f"{name.replace(' ', '-')}.body"
        path.write_bytes(self.body)
        return path


def pixel_rows(count: int, seed: int) -> npt.NDArray[np.uint8]:
    """Rows as a client has them: (count, 784), whole numbers from 0 to 255."""
    return np.random.default_rng(seed).integers(0, 256, (count, FEATURES), dtype=np.uint8)


def as_json(path: str, rows: npt.NDArray[Any], headers: Mapping[str, str], *, named: bool = True) -> Subject:
    """`{"x": rows}`, whole numbers; the answer is `{"z": codes}`, or the codes alone where it is not named."""
    body = json.dumps({"x": rows.tolist()}, separators=(",", ":")).encode()
    return Subject(path, body, {**JSON, **headers}, lambda told: json.loads(told)["z"] if named else json.loads(told))


def as_protocol(path: str, rows: npt.NDArray[Any], headers: Mapping[str, str]) -> Subject:
    """The JSON of the Open Inference Protocol, flat."""
    given = {"name": "x", "shape": list(rows.shape), "datatype": "FP32", "data": rows.ravel().tolist()}
    body = json.dumps({"inputs": [given]}, separators=(",", ":")).encode()
    return Subject(path, body, {**JSON, **headers}, lambda told: json.loads(told)["outputs"][0]["data"])


def as_npy(path: str, rows: npt.NDArray[Any], headers: Mapping[str, str]) -> Subject:
    """float32 as npy, in and out."""
    return Subject(path, _npy(rows.astype(np.float32)), {**NPY, **headers}, lambda told: np.load(io.BytesIO(told)))


def _npy(rows: Floats) -> bytes:
    file = io.BytesIO()
    np.save(file, rows, allow_pickle=False)
    return file.getvalue()
