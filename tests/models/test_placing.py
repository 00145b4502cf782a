"""Where training rows lie: on the host or on the device, what is learned from them is the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import models.placing
from models.classifier import build_classifier
from models.fine_tuning import fine_tune_classifier
from models.learning import Examples, Trained
from models.objectives import layer_objective
from models.placing import OnDevice, OnHost, Placed, fits, free_bytes, place
from models.pretraining import pretrain_layer
from models.recipe import parse_recipe
from models.stack import build_stack

Mapping = Callable[..., dict[str, Any]]

_SETTINGS = {"epochs": 3, "batch_size": 16}
CPU = torch.device("cpu")
ROWS = np.random.default_rng(0).random((70, 3, 4), dtype=np.float32)
LABELS = np.arange(70, dtype=np.int64) % 5


def listed(placed: Placed, order: np.ndarray, size: int, first: int) -> list[tuple[Tensor, Tensor | None]]:
    """Copies: a batch may be spoilt when the next is asked for."""
    return [(x.clone(), labels) for x, labels in placed.batches(order, size, first)]


@pytest.mark.parametrize("labels", [None, LABELS])
@pytest.mark.parametrize(("size", "first"), [(16, 0), (16, 3), (70, 0), (100, 0), (1, 69)])
def test_the_device_gives_the_batches_of_the_host(labels: np.ndarray | None, size: int, first: int) -> None:
    examples = Examples(ROWS, labels)
    order = np.random.default_rng(1).permutation(70)
    host, device = (listed(placed(examples, CPU), order, size, first) for placed in (OnHost, OnDevice))
    expected = [np.sort(order[start : start + size]) for start in range(first * size, 70, size)]
    assert len(host) == len(device) == len(expected)
    for (x, y), (other, theirs), chosen in zip(host, device, expected, strict=True):
        np.testing.assert_array_equal(x, ROWS[chosen])
        assert torch.equal(x, other)
        if labels is not None:
            assert y is not None
            assert theirs is not None
            np.testing.assert_array_equal(y, labels[chosen])
            assert torch.equal(y, theirs)


def test_all_rows_come_in_order_in_the_same_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.batches._CHUNK", 30)
    for placed in (OnHost, OnDevice):
        found = [(x, y) for x, y in placed(Examples(ROWS, LABELS), CPU).in_order()]
        assert [len(x) for x, _ in found] == [30, 30, 10]
        np.testing.assert_array_equal(torch.cat([x for x, _ in found]), ROWS)
        np.testing.assert_array_equal(torch.cat([y for _, y in found if y is not None]), LABELS)


def test_rows_may_take_half_of_what_is_free() -> None:
    assert fits(50, 100)
    assert not fits(51, 100)


@pytest.mark.parametrize(("free", "kept"), [(2 * ROWS.nbytes, OnDevice), (2 * ROWS.nbytes - 1, OnHost)])
def test_rows_are_kept_on_the_device_where_they_fit(
    monkeypatch: pytest.MonkeyPatch, free: int, kept: type[Placed]
) -> None:
    monkeypatch.setattr(models.placing, "free_bytes", lambda _: free)
    assert isinstance(place(Examples(ROWS), CPU), kept)
    # Labels count too.
    assert isinstance(place(Examples(ROWS, LABELS), CPU), OnHost)


def test_on_a_cpu_rows_stay_where_they_are() -> None:
    assert free_bytes(CPU) == 0
    assert isinstance(place(Examples(ROWS, LABELS), CPU), OnHost)


def noisy_layer(mapping: Mapping, device: str) -> Trained:
    return layer(mapping(kind="dae", corruption={"kind": "gaussian", "level": 0.3}, pretraining=_SETTINGS), device)


def layer(mapping: dict[str, Any], device: str) -> Trained:
    recipe = parse_recipe(mapping)
    pair = build_stack(recipe, (12,)).pairs[0]
    rows = ROWS.reshape(-1, 12)
    return pretrain_layer(
        pair,
        rows,
        rows[:9],
        objective=layer_objective(recipe, 0),
        settings=recipe.pretraining,
        seed=0,
        layer_index=0,
        device=device,
    )


def classifier(mapping: Mapping, device: str) -> Trained:
    recipe = parse_recipe(mapping(supervised_fine_tuning={**_SETTINGS, "patience": 2}))
    examples = Examples(ROWS.reshape(-1, 12), LABELS)
    return fine_tune_classifier(
        build_classifier(recipe, (12,), 5),
        examples,
        examples,
        settings=recipe.supervised_fine_tuning,
        seed=0,
        device=device,
    )


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("learn", [noisy_layer, classifier])
def test_the_weights_are_the_same_wherever_the_rows_lie(
    recipe_mapping: Mapping, monkeypatch: pytest.MonkeyPatch, learn: Callable[[Mapping, str], Trained], device: str
) -> None:
    trained = []
    for free in (0, 10**9):
        monkeypatch.setattr(models.placing, "free_bytes", lambda _, free=free: free)
        trained.append(learn(recipe_mapping, device))
    host, kept = trained
    assert host.reports == kept.reports
    assert all(torch.equal(host.state[name], kept.state[name]) for name in host.state)


@pytest.mark.gpu
def test_a_gpu_says_what_is_free_and_keeps_what_fits() -> None:
    device = torch.device("cuda")
    free, most = free_bytes(device), torch.cuda.get_device_properties(device).total_memory
    assert 0 < free <= most
    assert isinstance(place(Examples(ROWS), device), OnDevice)
    # Torch holds on to what it frees, and may use it again.
    torch.empty(free // 8, device=device)
    assert free_bytes(device) > free - free // 16


@pytest.mark.gpu
def test_a_gpu_learns_what_a_cpu_learns(recipe_mapping: Mapping) -> None:
    mapping = recipe_mapping(pretraining={**_SETTINGS, "precision": "float32"})
    expected, found = (layer(mapping, device).state for device in ("cpu", "cuda"))
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-3, atol=1e-5)
