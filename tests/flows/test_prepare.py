"""Preparing as a Prefect task: what is tried again, and what is not."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from prefect import flow
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.listening import listening
from flows.prepare import prepare
from flows.steps.datasets import Dataset, PrepareSettings
from flows.steps.errors import BadDataError


@pytest.fixture
def prefect_server(prefect_api: str) -> Iterator[None]:
    with temporary_settings({PREFECT_API_URL: prefect_api}):
        yield


def test_a_download_that_broke_off_is_tried_again(
    prefect_server: None, unsteady_mirror: "UnsteadyMirror", tmp_path: Path
) -> None:
    @flow
    def story() -> Dataset:
        impatient = prepare.with_options(retry_delay_seconds=0)
        return impatient("mnist", tmp_path, tmp_path / "data", PrepareSettings(minimum_rows=10))

    dataset = story()

    assert unsteady_mirror.failures_left == 0
    assert dataset.record.rows == {"train": 90, "validation": 10, "test": 20}


def test_bad_data_is_told_at_once(prefect_server: None, tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.zeros((60, 2)))
    attempts: list[str] = []

    @flow
    def story() -> Dataset:
        return prepare(str(tmp_path / "m.npy"), tmp_path, tmp_path, PrepareSettings())

    with (
        listening(lambda _step, _done, _total, note: attempts.append(note)),
        pytest.raises(BadDataError, match="constant columns"),
    ):
        story()

    assert attempts.count("read") == 1


class UnsteadyMirror(ThreadingHTTPServer):
    """A small MNIST of random pixels; the first request for a file's content fails."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Archives)
        self.failures_left = 1
        rng = np.random.default_rng(0)
        self.archives = {
            f"{part}-{kind}.gz": gzip.compress(_idx(rng.integers(0, 10, shape, dtype=np.uint8)))
            for part, count in (("train", 100), ("t10k", 20))
            for kind, shape in (("images-idx3-ubyte", (count, 28, 28)), ("labels-idx1-ubyte", (count,)))
        }


class _Archives(BaseHTTPRequestHandler):
    server: UnsteadyMirror

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_GET(self) -> None:
        if self.server.failures_left:
            self.server.failures_left -= 1
            self.send_response(500)
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.archives[self.path.removeprefix("/")])

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Say nothing."""


@pytest.fixture
def unsteady_mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[UnsteadyMirror]:
    from torchvision.datasets import MNIST

    with UnsteadyMirror() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        digests = [
            (name, hashlib.md5(archive, usedforsecurity=False).hexdigest()) for name, archive in server.archives.items()
        ]
        monkeypatch.setattr(MNIST, "resources", digests)
        yield server
        server.shutdown()
        thread.join()


def _idx(array: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(length.to_bytes(4, "big") for length in array.shape)
    return header + array.tobytes()
