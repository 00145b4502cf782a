"""Epoch times over each other: ours over the matrix products, and our systems over the plain autoencoder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from benchmarks.harness import Row, interleave, ratio
from benchmarks.training.products import products_epoch
from benchmarks.training.subjects import ROWS, layer_epoch, mnist, named, recipe, stack_epoch

_ROUNDS = 15
_DEEP_ROUNDS = 7
_DEEP_ROWS = 6_400
# Dense, and convolutional down to a quarter of the side; tied, as all contractive recipes are.
_DEEP: dict[str, list[Any]] = {
    "": [1000, 500, 250],
    "_convolution": [
        {"kind": "convolution", "channels": 16, "kernel_size": 4},
        {"kind": "convolution", "channels": 32, "kernel_size": 4},
        100,
    ],
}


def product_rows(device: torch.device) -> Iterator[Row]:
    """`ae_epoch_over_gemm_128` and `_512`, in float32 on both sides."""
    rows = mnist(ROWS)
    for batch_size, goal in ((128, 1.10), (512, 1.05)):
        sides = {
            "ours": layer_epoch("ae", rows, batch_size, device, "float32"),
            "matrix products alone": products_epoch(rows, 1000, batch_size, device),
        }
        samples = interleave(sides, rounds=_ROUNDS)
        name = named(f"ae_epoch_over_gemm_{batch_size}", device)
        yield ratio(name, samples, "ours", "matrix products alone", goal=goal, better="lower", seed=0)


def system_rows(device: torch.device) -> Iterator[Row]:
    """`dae_over_ae`, `cae_over_ae`, `scae_over_ae`, each at a batch of 128, all in float32: SCAE always is."""
    goals = {"dae": 1.05, "cae": 1.10, "scae": 1.40}
    rows = mnist(ROWS)
    sides = {name: layer_epoch(name, rows, 128, device, "float32") for name in ("ae", *goals)}
    samples = interleave(sides, rounds=_ROUNDS)
    for name, goal in goals.items():
        yield ratio(named(f"{name}_over_ae", device), samples, name, "ae", goal=goal, better="lower", seed=0)


def deep_rows(device: torch.device) -> Iterator[Row]:
    """`deep_cae_over_ae` and `deep_cae_over_ae_convolution`: all layers at once, the whole encoder contracted."""
    rows = mnist(_DEEP_ROWS)
    for suffix, layers in _DEEP.items():
        shape = (28, 28)
        fine_tuning = {"epochs": 1, "batch_size": 128, "precision": "float32"}
        plain = recipe("sae", layers=layers, fine_tuning=fine_tuning)
        contractive = recipe("cae", layers=layers, fine_tuning=fine_tuning | {"contract": True})
        sides = {"ae": stack_epoch(plain, rows, device, shape=shape)}
        sides["cae"] = stack_epoch(contractive, rows, device, shape=shape)
        samples = interleave(sides, rounds=_DEEP_ROUNDS)
        name = named(f"deep_cae_over_ae{suffix}", device)
        yield ratio(name, samples, "cae", "ae", goal=1.6, better="lower", seed=0)
