"""Exported graphs, opened before there is a release around them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from service.sessions import open_session, run_session


@dataclass(frozen=True)
class Networks:
    """The two graphs of a release, opened as the service opens them."""

    encoder: Any
    decoder: Any

    @classmethod
    def open(cls, folder: Path) -> Networks:
        """Open `encoder.onnx` and `decoder.onnx` below a folder, on the CPU.

        Raises:
            ModelLoadError: a graph cannot be loaded.
        """
        return cls(*(open_session(folder / f"{name}.onnx", "cpu", 1) for name in ("encoder", "decoder")))

    def encode(self, rows: Float32[np.ndarray, "batch ..."], output: str = "z") -> Float32[np.ndarray, "batch code"]:
        """Codes of rows in the data's own units; `output` names an inner layer's code."""
        return run_session(self.encoder, "x", output, rows)

    def decode(self, codes: Float32[np.ndarray, "batch code"]) -> Float32[np.ndarray, "batch ..."]:
        """Rows in the data's own units."""
        return run_session(self.decoder, "z", "x", codes)
