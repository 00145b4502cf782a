"""The loop that people write by hand instead: torch alone, as its documentation teaches, with its fused Adam."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional

from benchmarks.harness import Row, interleave, ratio
from benchmarks.training.subjects import ROWS, Images, Seconds, layer_epoch, mnist, named

_BATCH = 128
_WIDTH = 1000
_ROUNDS = 9


def plain_loop_rows(device: torch.device) -> Iterator[Row]:
    """`epoch_over_plain_loop`, and the same in the loop's own precision: 784-1000-784, tied, cross-entropy, Adam."""
    rows = mnist(ROWS)
    sides = {
        "ours": layer_epoch("ae", rows, _BATCH, device),
        "ours in float32": layer_epoch("ae", rows, _BATCH, device, "float32"),
        "a loop by hand": _plain_epoch(rows, device),
    }
    samples = interleave(sides, rounds=_ROUNDS)
    for suffix, side in (("", "ours"), ("_in_float32", "ours in float32")):
        name = named(f"epoch_over_plain_loop{suffix}", device)
        yield ratio(name, samples, side, "a loop by hand", goal=1.0, better="lower", seed=0)


def _plain_epoch(images: Images, device: torch.device) -> Seconds:
    rows = torch.from_numpy(images).to(device)
    encoder = nn.Linear(rows.shape[1], _WIDTH, device=device)
    decoder_bias = nn.Parameter(torch.zeros(rows.shape[1], device=device))
    optimiser = torch.optim.Adam([*encoder.parameters(), decoder_bias], lr=1e-3, fused=True)

    def epoch() -> float:
        started = time.perf_counter()
        order = torch.randperm(len(rows), device=device)
        for start in range(0, len(rows), _BATCH):
            x = rows[order[start : start + _BATCH]]
            logits = functional.linear(torch.sigmoid(encoder(x)), encoder.weight.t(), decoder_bias)
            loss = functional.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - started

    return epoch
