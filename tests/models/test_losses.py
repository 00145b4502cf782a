"""Reconstruction losses against torch's own in float64."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from models.losses import binary_cross_entropy, reconstruction_loss


@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_and_its_gradient_are_torchs(weighted: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = (20 * torch.randn(30, 20, generator=generator, dtype=torch.float64)).requires_grad_()
    x = torch.rand(30, 20, generator=generator, dtype=torch.float64).round(decimals=1)
    weight = torch.rand(30, 20, generator=generator, dtype=torch.float64) if weighted else None
    ours = binary_cross_entropy(x, logits, weight)
    theirs = functional.binary_cross_entropy_with_logits(logits, x, weight, reduction="sum") / 30
    torch.testing.assert_close(ours, theirs)
    gradients = [torch.autograd.grad(3 * loss, logits)[0] for loss in (ours, theirs)]
    torch.testing.assert_close(*gradients)


def test_cross_entropy_stays_exact_where_the_sigmoid_is_0_or_1() -> None:
    logits = torch.tensor([[-200.0, 200.0, -200.0, 200.0]])
    x = torch.tensor([[0.0, 1.0, 1.0, 0.0]])
    assert float(binary_cross_entropy(x, logits).item()) == 400.0


def test_half_precision_logits_lose_nothing_in_the_loss() -> None:
    logits = torch.linspace(-9, 9, 500).bfloat16().reshape(5, 100)
    x = torch.rand(5, 100, generator=torch.Generator().manual_seed(1))
    assert torch.equal(binary_cross_entropy(x, logits), binary_cross_entropy(x, logits.float()))


def test_a_bright_pixel_is_still_learned_from_in_half_precision() -> None:
    half = torch.full((1, 1), 7.0).bfloat16().requires_grad_()
    exact = torch.full((1, 1), 7.0).requires_grad_()
    x = torch.full((1, 1), 0.9)
    for preactivation in (half, exact):
        torch.autograd.backward(reconstruction_loss("squared_error", "sigmoid", x, preactivation))
    assert half.grad is not None
    assert exact.grad is not None
    assert half.grad.item() == pytest.approx(exact.grad.item(), rel=0.01)
