"""MLServer with a model of our own and its adaptive batching; it speaks the Open Inference Protocol.

Tried side by side, single rows, 64 connections: batches of at most 64 within 5 ms 578 answers a second, 64 within 1 ms
535, 16 within 20 ms 490, no batching 562.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput

from benchmarks.serving.peers.session import PORT, encode, open_encoder

_SETTINGS = {
    "host": "127.0.0.1",
    "http_port": PORT,
    "grpc_port": PORT + 1,
    "metrics_endpoint": None,
    # The model in the server's own process: a process beside it was slower.
    "parallel_workers": 0,
    "gzip_enabled": False,
    "debug": False,
    "logging_settings": {
        "version": 1,
        "disable_existing_loggers": True,
        "root": {"level": "ERROR"},
        "loggers": {"uvicorn.access": {"level": "ERROR"}, "mlserver": {"level": "ERROR"}},
    },
}
_MODEL = {
    "name": "encoder",
    "implementation": "benchmarks.serving.peers.mlserver_model.Embedder",
    "max_batch_size": 64,
    "max_batch_time": 0.005,
}


class Embedder(MLModel):  # type: ignore[misc]  # it is not in our environment
    """x (batch, 784) -> z (batch, 30)."""

    async def load(self) -> bool:
        self.session = open_encoder()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        given = payload.inputs[0]
        rows = np.array(given.data.root, np.float32).reshape(given.shape)
        codes = encode(self.session, rows)
        output = ResponseOutput(name="z", shape=list(codes.shape), datatype="FP32", data=codes.ravel().tolist())
        return InferenceResponse(model_name=self.name, id=payload.id, outputs=[output])


if __name__ == "__main__":
    folder = Path(tempfile.mkdtemp(prefix="manifold-bench-"))
    (folder / "settings.json").write_text(json.dumps(_SETTINGS), "utf-8")
    (folder / "model-settings.json").write_text(json.dumps(_MODEL), "utf-8")
    command = str(Path(sys.executable).with_name("mlserver"))
    os.execv(command, [command, "start", str(folder)])  # noqa: S606  # no shell is wanted
