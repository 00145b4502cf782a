"""Denormal numbers are flushed by every thread that shares in the work, and by none afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from models.determinism import exact_products, reproducible
from models.pretraining import encode_rows
from models.recipe import parse_recipe
from models.stack import build_stack

_SHARED_OUT = 1 << 20


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def kept(denormals: Tensor) -> list[int]:
    """How many of each half, which is one thread's, are still there after a product with 1."""
    # Looked at as bits: a thread that flushes takes a denormal for 0 in a comparison.
    bits = (denormals * 1.0).view(torch.int32)
    return [int(half.count_nonzero()) for half in bits.chunk(2)]


@pytest.mark.usefixtures("two_threads")
def test_denormals_are_flushed_in_all_threads_whatever_these_did_before_and_kept_again_afterwards() -> None:
    denormals = torch.full((_SHARED_OUT,), 1000, dtype=torch.int32).view(torch.float32)
    every = [_SHARED_OUT // 2] * 2
    assert kept(denormals) == every, "the threads are there, and flush nothing"
    for _ in range(2):
        with reproducible(torch.device("cpu")):
            assert kept(denormals) == [0, 0]
        assert kept(denormals) == every


def torchs_settings() -> tuple[bool, ...]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
        torch.backends.cudnn.deterministic,
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cudnn.allow_tf32,
    )


def test_of_two_trainings_that_overlap_in_threads_the_last_to_end_puts_torchs_settings_back() -> None:
    before = torchs_settings()
    assert not before[0]
    started, first_ended = threading.Event(), threading.Event()
    found: list[bool] = []

    def second() -> None:
        with reproducible(torch.device("cpu")):
            started.set()
            first_ended.wait(20)
            # The one that ended first has not taken it away.
            found.append(torch.are_deterministic_algorithms_enabled())

    other = threading.Thread(target=second)
    with reproducible(torch.device("cpu")):
        other.start()
        assert started.wait(20)
    first_ended.set()
    other.join(20)
    assert found == [True]
    assert torchs_settings() == before


def test_an_error_within_puts_torchs_settings_back() -> None:
    before = torchs_settings()
    with pytest.raises(KeyError), reproducible(torch.device("cpu")):
        raise KeyError
    assert torchs_settings() == before


def tf32() -> tuple[bool, bool]:
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


def test_float32_on_a_gpu_is_float32_unless_everything_that_runs_allows_tf32() -> None:
    device = torch.device("cuda")  # settings only: nothing is computed there
    with reproducible(device):
        assert tf32() == (False, False), "torch's own choice for convolutions is TF32"
    with reproducible(device, tf32=True):
        assert tf32() == (True, True)
        with exact_products():
            assert tf32() == (False, False)
        assert tf32() == (True, True)
        with reproducible(device):
            assert tf32() == (False, False)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_trains_though_its_parent_has_computed_on_several_threads() -> None:
    """In an interpreter of its own, so that nothing else is forked."""
    script = """
import os, signal, torch
from models.determinism import reproducible
torch.set_num_threads(2)
torch.ones(1 << 20).mul(2).sum()
child = os.fork()
if child == 0:
    signal.alarm(20)
    torch.set_num_threads(1)
    with reproducible(torch.device("cpu")):
        torch.ones(1 << 20).mul(2).sum()
    os._exit(0)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", script], timeout=120, check=False)
    assert ended.returncode == 0


class _Noted(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no types for it
    """Notes, at each product, whether TF32 may take the place of float32."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.allowed: list[bool] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket in (torch.ops.aten.mm, torch.ops.aten.addmm, torch.ops.aten.convolution):
            self.allowed.append(torch.backends.cudnn.allow_tf32)
        return func(*args, **(kwargs or {}))


def test_the_codes_that_the_next_layer_learns_from_are_of_float32_products() -> None:
    recipe = parse_recipe({"name": "one", "kind": "ae", "layers": [{"kind": "convolution", "channels": 2}]})
    (pair,) = build_stack(recipe, (6, 6)).pairs
    rows = np.zeros((3, *pair.input_shape), np.float32)
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = True
    try:
        with _Noted() as noted:
            encode_rows(pair, rows, np.empty((3, *pair.code_shape), np.float32))
        assert torch.backends.cudnn.allow_tf32
    finally:
        torch.backends.cudnn.allow_tf32 = before
    assert noted.allowed
    assert not any(noted.allowed)
