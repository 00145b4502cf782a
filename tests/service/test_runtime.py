"""A release in ONNX Runtime, without HTTP."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.release.home import Home
from service.release.integrity import verify_release
from service.runtime import (
    DeviceUnavailableError,
    GoldenMismatchError,
    ModelLoadError,
    Runtime,
    resolve_device,
)

Publish = Callable[..., Any]


def load(home: Home, version: str) -> Runtime:
    folder = home.store / version
    return Runtime.load(folder, verify_release(folder), device="cpu")


def test_it_encodes_and_decodes_as_the_network_does(home: Home, publish: Publish) -> None:
    tiny = publish(home, "one")
    runtime = load(home, "one")
    x = np.random.default_rng(0).uniform(0, 255, (7, 4, 4))
    assert np.allclose(runtime.encode(x), tiny.encode(x), atol=1e-4)
    assert np.allclose(runtime.encode(x, depth=1), tiny.inner_code(x), atol=1e-4)
    assert np.array_equal(runtime.encode(x, depth=2), runtime.encode(x))
    assert np.allclose(runtime.reconstruct(x), tiny.decode(tiny.encode(x)), atol=1e-2)
    assert runtime.device == "cpu"
    with pytest.raises(ValueError, match="depth 3 came, 1 to 2 expected"):
        runtime.encode(x, depth=3)


@pytest.mark.parametrize("count", [0, 1, 1024, 1025, 3000])
def test_large_batches_are_cut_and_put_together_again(home: Home, publish: Publish, count: int) -> None:
    tiny = publish(home, "one")
    x = np.random.default_rng(0).uniform(0, 255, (count, 4, 4))
    codes = load(home, "one").encode(x)
    assert codes.shape == (count, 2)
    assert np.allclose(codes, tiny.encode(x), atol=1e-4)


def test_the_golden_batch_decides_whether_a_device_will_do(home: Home, publish: Publish) -> None:
    publish(home, "good")
    load(home, "good").reproduce_golden()
    publish(home, "bad", golden_off_by=0.01)
    with pytest.raises(GoldenMismatchError, match=r"release bad on cpu: golden code differs by 0.01"):
        load(home, "bad").reproduce_golden()


def test_a_graph_that_is_not_what_the_manifest_says_is_named(home: Home, publish: Publish) -> None:
    publish(home, "images")
    publish(home, "vectors", shape=(16,))
    manifest = verify_release(home.store / "images")
    with pytest.raises(ModelLoadError, match=r"input x has shape \['batch', 16\], float32 \['batch', 4, 4\]"):
        Runtime.load(home.store / "vectors", manifest, device="cpu")


def test_a_file_that_is_no_graph_is_named(home: Home, publish: Publish) -> None:
    publish(home, "one")
    manifest = verify_release(home.store / "one")
    (home.store / "one" / "decoder.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelLoadError, match=r"cannot load .*decoder\.onnx"):
        Runtime.load(home.store / "one", manifest, device="cpu")


def test_auto_says_nothing_where_there_is_no_gpu() -> None:
    program = "from service.runtime import resolve_device; assert resolve_device('auto') in ('cpu', 'cuda')"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=root,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.stdout == b""


def test_cuda_that_is_not_there_is_never_quietly_the_cpu() -> None:
    if resolve_device("auto") == "cuda":
        pytest.skip("CUDA is really here")
    with pytest.raises(DeviceUnavailableError, match="ONNX Runtime gets none here"):
        resolve_device("cuda")
