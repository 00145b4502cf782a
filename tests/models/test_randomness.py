"""Draws of entries and signs: cheap, and exactly as probable as asked."""

from __future__ import annotations

import pytest
import torch

from models.randomness import draw_entries, draw_signs

ENTRIES = torch.empty(1000, 1003)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(1)


@pytest.mark.parametrize("share", [1e-5, 0.1, 0.25, 1 / 3, 0.5, 0.99999])
def test_each_entry_is_drawn_with_the_probability_asked(share: float) -> None:
    drawn, draws = 0.0, 4
    stream = generator()
    for _ in range(draws):
        drawn += float(draw_entries(ENTRIES, share, stream).double().mean().item()) / draws
    assert abs(drawn - share) < 4 * (share * (1 - share) / (draws * ENTRIES.numel())) ** 0.5


def test_a_share_between_two_steps_of_16_bits_is_not_rounded() -> None:
    # Half a step above 0: 16 bits alone would never, or always, draw one value in 65,536.
    share, draws, stream = 0.5 / 2**16, 400, generator()
    drawn = sum(int(draw_entries(torch.empty(2**15), share, stream).sum().item()) for _ in range(draws))
    expected = share * draws * 2**15
    assert 0.5 * expected < drawn < 1.5 * expected


def test_all_and_none_are_drawn_where_all_and_none_are_asked() -> None:
    assert bool(draw_entries(ENTRIES, 1.0, generator()).all())
    assert not bool(draw_entries(ENTRIES, 0.0, generator()).any())


def test_neighbouring_entries_are_drawn_by_themselves() -> None:
    drawn = draw_entries(ENTRIES, 0.5, generator()).double().flatten() - 0.5
    for distance in (1, 2, 3, 4, 1003):
        correlation = float((drawn[distance:] * drawn[:-distance]).mean().item()) / 0.25
        assert abs(correlation) < 4 / drawn.numel() ** 0.5


def test_signs_have_a_fair_coin_each() -> None:
    signs = draw_signs(ENTRIES, generator())
    assert bool((signs.abs() == 1).all())
    assert signs.dtype == ENTRIES.dtype
    products = signs.T[:50] @ signs[:, :50] / len(signs)
    torch.testing.assert_close(products, torch.eye(50), atol=5 / len(signs) ** 0.5, rtol=0)


def test_the_same_generator_draws_the_same() -> None:
    assert torch.equal(draw_entries(ENTRIES, 0.3, generator()), draw_entries(ENTRIES, 0.3, generator()))
    assert torch.equal(draw_signs(ENTRIES, generator()), draw_signs(ENTRIES, generator()))
