"""ONNX Runtime's sessions: the one place that opens them, and that decides the device.

ModelError
├── DeviceUnavailableError   CUDA was asked for and is not really there
├── ModelLoadError           a file is not what the manifest says, or ONNX Runtime cannot load it
├── ModelRunError            ONNX Runtime failed while it ran, the device's memory being full for example
└── GoldenMismatchError      this device does not reproduce the release's golden batch
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Device = Literal["cuda", "cpu"]
DeviceChoice = Literal["auto", "cuda", "cpu"]
Floats = npt.NDArray[np.float32]

# Rows of one ONNX Runtime call: what a large batch needs beside its own rows is bounded by this.
_CHUNK_ROWS = 1024
_CUDA = "CUDAExecutionProvider"
_CPU = "CPUExecutionProvider"
# y = Identity(x), as ONNX: enough to ask ONNX Runtime which device it really gets.
_IDENTITY_MODEL = (
    b'\x08\x08:3\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01gZ\r\n\x01x\x12\x08\n\x06\x08\x01\x12\x02\n\x00'
    b"b\r\n\x01y\x12\x08\n\x06\x08\x01\x12\x02\n\x00B\x04\n\x00\x10\x11"
)


class ModelError(Exception):
    """The base of all errors of the runtime; the message is one plain line for a person."""


class DeviceUnavailableError(ModelError):
    """CUDA was asked for and is not really there."""


class ModelLoadError(ModelError):
    """A file of the release is not what its manifest says, or ONNX Runtime cannot load it."""


class ModelRunError(ModelError):
    """ONNX Runtime failed while it ran, the device's memory being full for example."""


class GoldenMismatchError(ModelError):
    """This device does not reproduce the release's golden batch."""


def resolve_device(choice: DeviceChoice) -> Device:
    """The device that a session opened now would really get.

    Raises:
        DeviceUnavailableError: `choice` is "cuda" and ONNX Runtime does not get it.
    """
    return device_of(open_session(_IDENTITY_MODEL, choice, threads=1))


def open_session(model: Path | bytes, device: DeviceChoice, threads: int, spinning: bool = False) -> Any:
    """A session of one ONNX graph.

    Args:
        model: its file, or its bytes.
        device: "auto" takes CUDA where it is really there; "cuda" and "cpu" take that or raise.
        threads: threads within one operator on the CPU.
        spinning: whether they wait for work by spinning; on two cores p99 grew thirtyfold.

    Raises:
        DeviceUnavailableError: `device` is "cuda" and ONNX Runtime does not get it.
        ModelLoadError: it is no graph that ONNX Runtime can load.
    """
    # Imported here: processes that only read settings or schemas need not pay for it.
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spinning else "0")
    # An arena of ONNX Runtime's own gives nothing back and is no faster than the C library's: decision 0016.
    options.enable_cpu_mem_arena = False
    providers: list[Any] = [_CPU]
    # Without a driver, merely asking for CUDA prints errors.
    if device != "cpu" and _cuda_driver_sees_a_device() and _CUDA in onnxruntime.get_available_providers():
        _preload_cuda_libraries(onnxruntime)
        # TF32 rounds to 10 bits: the golden batch would not be reproduced.
        providers = [(_CUDA, {"use_tf32": "0"}), _CPU]
    try:
        session = onnxruntime.InferenceSession(
            str(model) if isinstance(model, Path) else model, options, providers=providers, enable_fallback=0
        )
    except _onnxruntime_errors() as error:
        raise ModelLoadError(f"ONNX Runtime cannot load {model!s}: {_first_line(error)}") from error
    if device == "cuda" and device_of(session) != "cuda":
        raise DeviceUnavailableError(
            "device cuda was asked for, but ONNX Runtime gets none here; set MANIFOLD_DEVICE=auto or cpu, or "
            "see that nvidia-smi lists a GPU and that onnxruntime-gpu[cuda,cudnn] is installed"
        )
    return session


def device_of(session: Any) -> Device:
    """The device a session got, which need not be the one it was asked for."""
    return "cuda" if _CUDA in session.get_providers() else "cpu"


@functools.cache
def _onnxruntime_errors() -> tuple[type[Exception], ...]:
    """ONNX Runtime's exceptions, which have no common base of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = (value for value in vars(state).values() if isinstance(value, type))
    return (RuntimeError, ValueError, *(kind for kind in kinds if issubclass(kind, Exception)))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _cuda_driver_sees_a_device() -> bool:
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(name)
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


def _preload_cuda_libraries(onnxruntime: Any) -> None:
    # It prints what it does not find; the session that is opened next says whether that mattered.
    with contextlib.redirect_stdout(io.StringIO()):
        if hasattr(onnxruntime, "preload_dlls"):
            onnxruntime.preload_dlls()


def run_session(session: Any, argument: str, output: str, rows: npt.ArrayLike) -> Floats:
    """One output of a graph for rows (batch, ...), computed in chunks.

    Raises:
        ModelRunError: ONNX Runtime failed.
    """
    return run_graph(session, {argument: rows}, (output,))[0]


def run_graph(session: Any, arguments: Mapping[str, npt.ArrayLike], outputs: Sequence[str]) -> list[Floats]:
    """Outputs of a graph, in their order, for arguments of equally many rows, computed in chunks.

    Raises:
        ModelRunError: ONNX Runtime failed.
    """
    arrays = {name: np.ascontiguousarray(rows, dtype=np.float32) for name, rows in arguments.items()}
    count = max(map(len, arrays.values()))
    run = run_bound if device_of(session) == "cuda" else _run_plain
    try:
        parts = [
            run(session, list(outputs), {name: rows[start : start + _CHUNK_ROWS] for name, rows in arrays.items()})
            for start in range(0, max(count, 1), _CHUNK_ROWS)
        ]
    except _onnxruntime_errors() as error:
        raise ModelRunError(f"ONNX Runtime failed: {_first_line(error)}") from error
    return parts[0] if len(parts) == 1 else [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]


def run_bound(session: Any, outputs: list[str], arguments: Mapping[str, Floats]) -> list[Floats]:
    """One run by I/O binding: arguments go to the device once, and only the outputs that are asked for come back."""
    binding = session.io_binding()
    for name, rows in arguments.items():
        binding.bind_cpu_input(name, rows)
    for name in outputs:
        # To the CPU, of whatever shape it comes to.
        binding.bind_output(name)
    session.run_with_iobinding(binding)
    answers: list[Floats] = binding.copy_outputs_to_cpu()
    return answers


def _run_plain(session: Any, outputs: list[str], arguments: Mapping[str, Floats]) -> list[Floats]:
    answers: list[Floats] = session.run(outputs, dict(arguments))
    return answers
