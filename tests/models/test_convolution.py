"""Convolutions down and both ways up: any image comes back, and what is computed is what is claimed."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from models.convolution import ConvolutionPair
from models.errors import ModelError
from models.layers import build_pair
from models.recipe import Convolution

Up = Literal["transposed", "resize"]
UPS: list[Up] = ["transposed", "resize"]


def pair_of(
    shape: tuple[int, ...], *, kernel: int, stride: int, up: Up = "transposed", channels: int = 2, tied: bool = False
) -> ConvolutionPair:
    pair = build_pair(
        Convolution(channels=channels, kernel_size=kernel, stride=stride, up=up),
        shape,
        code_activation="linear",
        output_activation="linear",
        tied=tied,
        generator=torch.Generator().manual_seed(0),
    ).double()
    assert isinstance(pair, ConvolutionPair)
    return pair


def random(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    kernel=st.integers(1, 9),
    data=st.data(),
    height=st.integers(1, 17),
    width=st.integers(1, 17),
    channels=st.integers(1, 4),
    up=st.sampled_from(UPS),
)
def test_any_image_comes_back_in_its_size_and_no_pixel_of_it_is_lost(
    kernel: int, data: st.DataObject, height: int, width: int, channels: int, up: Up
) -> None:
    stride = data.draw(st.integers(1, kernel))
    tied = up == "transposed" and data.draw(st.booleans())
    pair = pair_of((channels, height, width), kernel=kernel, stride=stride, up=up, tied=tied)
    x = random(1, channels, height, width).requires_grad_()
    z = pair.encode(x)
    assert pair(x).shape == x.shape
    assert z.shape[1:] == pair.code_shape
    # Summed over the code with random weights, no pixel's slope cancels out.
    (seen,) = torch.autograd.grad((z * random(*z.shape)).sum(), x)
    assert (seen != 0).all()
    reached = pair.decode(random(*z.shape)) - pair.decoder_bias[:, None, None]
    assert (reached != 0).all()


def test_a_tied_convolution_decodes_with_the_encoders_adjoint() -> None:
    pair = pair_of((2, 7, 8), kernel=4, stride=3, channels=3, tied=True)
    x, z = random(1, 2, 7, 8), random(1, *pair.code_shape)
    torch.testing.assert_close((pair.encode(x) * z).sum(), (x * pair.decode(z)).sum())


@pytest.mark.parametrize(("kernel", "stride", "side"), [(3, 2, 9), (4, 2, 8), (5, 3, 11), (3, 3, 10), (3, 1, 5)])
def test_resizing_is_nearest_neighbour_and_then_a_convolution(kernel: int, stride: int, side: int) -> None:
    pair = pair_of((3, side, side), kernel=kernel, stride=stride, up="resize")
    z = random(2, *pair.code_shape)
    weight = pair.decoder_weight
    assert weight is not None
    large = functional.interpolate(z, scale_factor=stride, mode="nearest")
    # The weight lies as a transposed convolution's does: mirrored, code channels first.
    mirrored = weight.flip(2, 3).transpose(0, 1)
    whole = functional.conv2d(large, mirrored, pair.decoder_bias, padding=kernel - 1).detach()
    found = pair.decode(z).detach()
    windows = whole.unfold(2, side, 1).unfold(3, side, 1)  # (batch, channels, down, across, side, side)
    differences = (windows - found[:, :, None, None]).abs().amax(dim=(0, 1, 4, 5))
    assert float(differences.min()) < 1e-12


@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (4, 3), (5, 2)])
def test_an_even_code_gives_an_even_image_where_it_is_resized_and_a_checkerboard_where_transposed(
    kernel: int, stride: int
) -> None:
    spread = {}
    for up in UPS:
        pair = pair_of((1, 24, 24), kernel=kernel, stride=stride, up=up)
        inside = pair.decode(torch.ones(1, *pair.code_shape, dtype=torch.float64)).detach()[0, 0, 8:16, 8:16]
        spread[up] = float(inside.max() - inside.min())
    assert spread["resize"] < 1e-12
    assert spread["transposed"] > 1e-2


def test_a_resizing_decoder_has_weights_of_its_own_and_nothing_to_tie() -> None:
    pair = pair_of((2, 8, 8), kernel=3, stride=2, up="resize")
    z = random(1, *pair.code_shape)
    before = pair.decode(z)
    pair.weight.data.zero_()
    assert torch.equal(pair.decode(z), before)
    with pytest.raises(ModelError, match="tied weights came"):
        pair_of((2, 8, 8), kernel=3, stride=2, up="resize", tied=True)


def test_sizes_that_worked_with_half_the_kernel_keep_it() -> None:
    for kernel, stride in [(3, 1), (3, 2), (4, 2), (5, 2), (5, 3)]:
        for side in range(2, 20):
            pair = pair_of((1, side, 2 * side), kernel=kernel, stride=stride)
            assert pair.padding == ((kernel - 1) // 2, (kernel - 1) // 2)
