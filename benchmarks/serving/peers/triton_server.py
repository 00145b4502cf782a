"""Triton with its Python backend, by nvidia-pytriton, and its dynamic batching.

Its metrics are off: with them it tries to listen twice at one port, and ends.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from benchmarks.serving.peers.session import PORT, encode, open_encoder

session = open_encoder()


@batch  # type: ignore[untyped-decorator]  # it is not in our environment
def infer(x: Any) -> dict[str, Any]:
    """x (batch, 784) -> z (batch, 30)."""
    return {"z": encode(session, x)}


if __name__ == "__main__":
    config = TritonConfig(
        http_address="127.0.0.1", http_port=PORT, grpc_port=PORT + 1, allow_metrics=False, log_verbose=0
    )
    with Triton(config=config) as triton:
        triton.bind(
            model_name="encoder",
            infer_func=infer,
            inputs=[Tensor(name="x", dtype=np.float32, shape=(784,))],
            outputs=[Tensor(name="z", dtype=np.float32, shape=(30,))],
            config=ModelConfig(max_batch_size=1024, batcher=DynamicBatcher(max_queue_delay_microseconds=0)),
        )
        triton.serve()
