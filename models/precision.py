"""Which precision a training's matrix products take: what the recipe's `auto` stands for."""

from __future__ import annotations

from functools import cache
from typing import Literal

import torch
from torch import nn

from models.recipe_parts import Precision

Products = Literal["float32", "tf32", "bfloat16"]

# Below so many weights in the largest layer, casting costs more than the products gain (`make bench-training`, the rows
# `bfloat16_epoch_over_float32` of three sizes).
_WORTH_CASTING = 65_536


def precision_of_products(
    asked: Precision, model: nn.Module, device: torch.device, *, small_differences: bool
) -> Products:
    """What `auto` stands for: bfloat16 where it is faster and costs no accuracy, else float32.

    A GPU that multiplies bfloat16 rounds the factors of the smaller layers' products to TF32, which needs no casting.
    What was asked to be float32 is float32 there too, convolutions included.

    Args:
        asked: by the recipe; anything but `auto` is taken as it is.
        model: what is trained.
        device: where.
        small_differences: whether the loss has a term of differences between nearly equal codes, which half the bits
            would drown in rounding.
    """
    if asked != "auto":
        return asked
    if small_differences or not multiplies_bfloat16(device.type):
        return "float32"
    largest = max((weight.numel() for weight in model.parameters() if weight.requires_grad), default=0)
    if largest >= _WORTH_CASTING:
        return "bfloat16"
    # Whatever NVIDIA made that has the one has the other: `torch.cuda.is_tf32_supported`.
    return "tf32" if device.type == "cuda" else "float32"


@cache
def multiplies_bfloat16(device: str) -> bool:
    """Whether a kind of device multiplies bfloat16 itself, instead of by way of float32; known of `cpu` and `cuda`."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device != "cpu":
        return False
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
