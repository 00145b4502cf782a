"""The machine's limit: ONNX Runtime in this process, on one core, without HTTP and without anybody waiting."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from benchmarks.serving.load import Load
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

    def measured(self, seconds: float) -> Load:
        """Batches a second, and how long one takes."""
        started, times = time.perf_counter(), list[float]()
        last = started
        while last - started < seconds:
            self._session.run(self._outputs, self._arguments)
            now = time.perf_counter()
            times.append(now - last)
            last = now
        p50, p99 = np.percentile(times, (50, 99)) * 1e3
        return Load(len(times) / (last - started), float(p50), float(p99), failed=0)
