"""MNIST, FashionMNIST and the bundled digits: found, downloaded, or fallen back on."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from flows.steps.datasets import Dataset
from flows.steps.datasets.download import download_archives
from flows.steps.errors import DownloadError, SourceError

Prepare = Callable[..., Dataset]


def _idx(array: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(length.to_bytes(4, "big") for length in array.shape)
    return header + array.tobytes()


def _small_public_dataset(data_folder: Path, name: str) -> Path:
    """200 training and 50 test images in torchvision's layout; three test images are also training images."""
    raw = data_folder / name / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (250, 28, 28), dtype=np.uint8)
    images[200:203] = images[:3]
    labels = (np.arange(250) % 10).astype(np.uint8)
    for part, span in (("train", slice(200)), ("t10k", slice(200, None))):
        (raw / f"{part}-images-idx3-ubyte").write_bytes(_idx(images[span]))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(_idx(labels[span]))
    return raw


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way out leads to a port at which nobody listens."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)


def test_the_digits_are_there_without_files_or_network(prepare: Prepare, no_network: None) -> None:
    dataset = prepare("digits")

    assert dataset.record.shape == (8, 8)
    assert dataset.record.value_range == (0.0, 16.0)
    assert dataset.record.rows == {"train": 1437, "validation": 180, "test": 180}
    assert dataset.record.dropped == dataset.record.tolerated == {}
    assert dataset.rows("train").max() == 16


def test_auto_falls_back_on_the_digits_and_says_so(prepare: Prepare, no_network: None) -> None:
    dataset = prepare("auto")

    assert dataset.record.source == "digits"
    assert "bundled handwritten digits are used instead" in dataset.notes[0]


def test_a_named_dataset_that_cannot_be_had_is_an_error(prepare: Prepare, no_network: None) -> None:
    with pytest.raises(SourceError, match="no mirror answers"):
        prepare("fashion-mnist")


@pytest.mark.parametrize(("source", "name"), [("auto", "MNIST"), ("fashion-mnist", "FashionMNIST")])
def test_the_official_test_images_are_the_test_split_whatever_they_repeat(
    prepare: Prepare, tmp_path: Path, no_network: None, source: str, name: str
) -> None:
    raw = _small_public_dataset(tmp_path, name)

    dataset = prepare(source, data_folder=tmp_path)

    assert dataset.record.rows == {"train": 180, "validation": 20, "test": 50}
    test = np.frombuffer((raw / "t10k-images-idx3-ubyte").read_bytes(), np.uint8, offset=16)
    assert np.array_equal(dataset.rows("test"), test.reshape(-1, 28, 28))
    assert dataset.record.tolerated == {"held-out rows that are also in another split": 3}
    assert dataset.record.label_names is not None
    assert dataset.record.label_names[9] == ("9" if name == "MNIST" else "Ankle boot")


def test_a_truncated_idx_file_is_refused_by_name(prepare: Prepare, tmp_path: Path) -> None:
    images = _small_public_dataset(tmp_path, "MNIST") / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-1000])

    with pytest.raises(SourceError, match=r"train-images-idx3-ubyte: truncated: 155,816 bytes, expected 156,816"):
        prepare("mnist", data_folder=tmp_path)


def test_labels_of_other_images_are_refused(prepare: Prepare, tmp_path: Path) -> None:
    labels = _small_public_dataset(tmp_path, "MNIST") / "train-labels-idx1-ubyte"
    labels.write_bytes(_idx(np.zeros(199, dtype=np.uint8)))

    with pytest.raises(SourceError, match="mnist: train has 199 labels, expected 200"):
        prepare("mnist", data_folder=tmp_path)


@pytest.mark.needs("mnist")
def test_the_real_mnist_passes_without_complaint(prepare: Prepare, mnist_folder: Path) -> None:
    record = prepare("mnist", data_folder=mnist_folder).record

    assert record.rows == {"train": 54_000, "validation": 6_000, "test": 10_000}
    assert (record.shape, record.dtype, record.value_range) == ((28, 28), "uint8", (0.0, 255.0))
    assert record.dropped == record.tolerated == {}
    # The mean and deviation of the whole training set are known to be 0.1307 and 0.3081 of the range.
    assert record.statistics.mean[0] / 255 == pytest.approx(0.1307, abs=5e-4)
    assert record.statistics.standard_deviation[0] / 255 == pytest.approx(0.3081, abs=5e-4)


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    """A web server with whole.gz, broken.gz (not gzip) and what the tests add to `tmp_path/mirror`."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "whole.gz").write_bytes(gzip.compress(b"content"))
    (folder / "broken.gz").write_bytes(b"content")

    class Quiet(SimpleHTTPRequestHandler):
        def log_request(self, code: object = "-", size: object = "-") -> None:
            """Say nothing."""

        def log_error(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _download(mirrors: list[str], name: str, md5: str, folder: Path) -> None:
    download_archives(mirrors, [(name, md5)], folder, lambda _what, _done, _total: None)


def test_an_archive_comes_from_the_first_mirror_that_answers(mirror: str, tmp_path: Path) -> None:
    whole = (tmp_path / "mirror" / "whole.gz").read_bytes()

    _download(["http://127.0.0.1:9/", mirror], "whole.gz", _md5(whole), tmp_path / "raw")

    assert (tmp_path / "raw" / "whole").read_bytes() == b"content"


@pytest.mark.parametrize(
    ("name", "md5", "complaint"),
    [
        ("whole.gz", "0" * 32, "has md5"),
        ("broken.gz", _md5(b"content"), "not a whole gzip file"),
        ("missing.gz", "0" * 32, "404"),
    ],
)
def test_a_download_that_went_wrong_leaves_nothing(
    mirror: str, tmp_path: Path, name: str, md5: str, complaint: str
) -> None:
    with pytest.raises(DownloadError, match=complaint):
        _download([mirror], name, md5, tmp_path / "raw")

    assert not list(tmp_path.glob("raw/*"))
