"""The matrix products of one epoch alone: what no training can be faster than."""

from __future__ import annotations

import time

import torch

from benchmarks.training.subjects import Images, Seconds
from models.determinism import reproducible


@torch.no_grad()
def products_epoch(rows: Images, width: int, batch_size: int, device: torch.device) -> Seconds:
    """The five products that a tied dense layer owes for each batch of an epoch, on operands that lie ready.

    Encoder x Wᵀ and decoder z W forwards; backwards the gradient of z, and that of W from the decoder and from the
    encoder. Types, shapes and layouts are those of training.
    """
    features = rows.shape[1]
    generator = torch.Generator().manual_seed(0)

    def operand(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=generator).to(device)

    weight, x, z = operand(width, features), operand(batch_size, features), operand(batch_size, width)
    output_gradient, code_gradient = operand(batch_size, features), operand(batch_size, width)
    steps = -(-len(rows) // batch_size)

    @torch.no_grad()
    def epoch() -> float:
        with reproducible(device):
            started = time.perf_counter()
            for _ in range(steps):
                torch.mm(x, weight.t())
                torch.mm(z, weight)
                torch.mm(output_gradient, weight.t())
                torch.mm(z.t(), output_gradient)
                torch.mm(code_gradient.t(), x)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            return time.perf_counter() - started

    return epoch
