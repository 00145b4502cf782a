"""Plain BentoML: its native array endpoint, with tracing and the access log off."""

from __future__ import annotations

import bentoml
import numpy as np

from benchmarks.serving.peers.session import encode, open_encoder


@bentoml.service(workers=1, logging={"access": {"enabled": False}}, metrics={"enabled": False})
class Embedder:
    """{"x": rows} -> codes."""

    def __init__(self) -> None:
        self.session = open_encoder()

    @bentoml.api(route="/embed")  # type: ignore[untyped-decorator]  # BentoML's decorators have no types
    def embed(self, x: np.ndarray) -> np.ndarray:
        """x (batch, 784) -> z (batch, 30)."""
        return encode(self.session, np.asarray(x, np.float32))
