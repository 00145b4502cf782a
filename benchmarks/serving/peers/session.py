"""What all peers run: the release's encoder, with the session options that our own service has."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import onnxruntime

PORT = int(os.environ.get("BENCH_PORT", "0"))


def open_encoder() -> Any:
    """One thread within an operator, and none that spins."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(os.environ["BENCH_ENCODER"], options, providers=["CPUExecutionProvider"])


def encode(session: Any, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Rows (batch, 784) -> codes (batch, 30)."""
    codes: np.ndarray[Any, Any] = session.run(["z"], {"x": rows})[0]
    return codes
