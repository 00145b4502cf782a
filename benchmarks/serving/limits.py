"""The machine's limit: ONNX Runtime in this process, on one core, without HTTP and without anybody waiting."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from benchmarks.serving.subjects import Floats
from service.sessions import open_session


class Limit:
    """A graph, and how quickly it runs one batch after another.

    Args:
        graph: its file; it is opened as the service opens it, with one thread.
        argument: the name of its input.
        output: the name of the output that is computed.
        rows: the batch.
    """

    def __init__(self, graph: Path, argument: str, output: str, rows: Floats) -> None:
        self._session = open_session(graph, "cpu", threads=1)
        self._outputs, self._arguments = [output], {argument: np.ascontiguousarray(rows, np.float32)}
        self.answer: Floats = self._session.run(self._outputs, self._arguments)[0]

    def rate(self, seconds: float) -> float:
        """Batches a second."""
        started, runs = time.perf_counter(), 0
        while (took := time.perf_counter() - started) < seconds:
            self._session.run(self._outputs, self._arguments)
            runs += 1
        return runs / took

    def p50_ms(self, runs: int = 200) -> float:
        """What half of the runs take less than, ms."""
        times = []
        for _ in range(runs):
            started = time.perf_counter()
            self._session.run(self._outputs, self._arguments)
            times.append(time.perf_counter() - started)
        return float(np.median(times)) * 1e3
