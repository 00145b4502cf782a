"""Which precision a training's matrix products take: what the recipe's `auto` stands for."""

from __future__ import annotations

from functools import cache
from typing import Literal

import torch
from torch import nn

from models.classifier import build_classifier
from models.recipe import Recipe, layer_contraction
from models.recipe_parts import Contraction, Precision, Training
from models.stack import build_stack

Products = Literal["float32", "bfloat16"]

# Below so many weights in the largest layer, casting costs more than the products gain (`make bench-training`, the rows
# `bfloat16_epoch_over_float32` of three sizes).
_WORTH_CASTING = 65_536


def precision_of_products(
    asked: Precision, model: nn.Module, device: torch.device, *, small_differences: bool
) -> Products:
    """What `auto` stands for: bfloat16 where it is faster and costs no accuracy, else float32.

    Args:
        asked: by the recipe; anything but `auto` is taken as it is.
        model: what is trained.
        device: where.
        small_differences: whether the loss has a term of differences between nearly equal codes, which half the bits
            would drown in rounding.
    """
    if asked != "auto":
        return asked
    largest = max((weight.numel() for weight in model.parameters() if weight.requires_grad), default=0)
    if small_differences or largest < _WORTH_CASTING or not multiplies_bfloat16(device.type):
        return "float32"
    return "bfloat16"


def phase_precisions(
    recipe: Recipe, input_shape: tuple[int, ...], classes: int, device: torch.device
) -> dict[str, Products]:
    """The precision of each phase that trains: `layer_1` ..., `fine_tuning`, `supervised_fine_tuning`.

    Args:
        recipe: what is trained.
        input_shape: of one row in the data's own layout.
        classes: how many labels there are; only where there is supervised fine-tuning.
        device: where it is trained.
    """
    stack = build_stack(recipe, input_shape)
    phases: dict[str, tuple[nn.Module, Training, Contraction]] = {
        f"layer_{index + 1}": (pair, recipe.pretraining, layer_contraction(recipe, index))
        for index, pair in enumerate(stack.pairs)
    }
    contraction = recipe.contraction if recipe.fine_tuning.contract else Contraction()
    phases["fine_tuning"] = (stack, recipe.fine_tuning, contraction)
    if (supervised := recipe.supervised_fine_tuning).epochs:
        phases["supervised_fine_tuning"] = (
            build_classifier(recipe, input_shape, classes),
            supervised,
            supervised.contraction,
        )
    return {
        phase: precision_of_products(
            settings.precision, model, device, small_differences=contraction.kind == "stochastic"
        )
        for phase, (model, settings, contraction) in phases.items()
        if settings.epochs
    }


@cache
def multiplies_bfloat16(device: str) -> bool:
    """Whether a kind of device multiplies bfloat16 itself, instead of by way of float32; known of `cpu` and `cuda`."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device != "cpu":
        return False
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
