"""From the data's own units to the scaled rows that a stack learns from, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.batches import AnyRows, Rows, map_rows
from models.errors import ShapeError
from models.recipe import Recipe


def scaled_shape(recipe: Recipe, input_shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of one scaled row: (features,) before a dense layer, (channels, height, width) before a
    convolution.

    Args:
        recipe: its first layer decides.
        input_shape: of one row in the data's own layout.

    Raises:
        ShapeError: a convolution for something that is neither (height, width) nor (height, width, channels),
            or a row without entries.
    """
    if not input_shape or min(input_shape) < 1:
        raise ShapeError(f"row of shape {input_shape} came; expected at least one entry")
    if recipe.layers[0].kind == "dense":
        return (math.prod(input_shape),)
    if len(input_shape) == 2:
        return (1, *input_shape)
    if len(input_shape) == 3:
        return (input_shape[2], *input_shape[:2])
    raise ShapeError(
        f"layers.0 is a convolution, and rows of shape {input_shape} came; "
        "expected images: (height, width) or (height, width, channels)"
    )


class Preprocessing(nn.Module):
    """(x - shift) / scale in the stack's layout, and its inverse.

    `shift` and `scale` are buffers, float32, of shape () or of a row in the data's own layout.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, input_shape: tuple[int, ...], scaled: tuple[int, ...], shift: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.input_shape = input_shape
        self.scaled_shape = scaled
        self.register_buffer("shift", shift.to(torch.float32))
        self.register_buffer("scale", scale.to(torch.float32))

    def forward(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """Scaled rows, (batch, *scaled_shape), of rows in the data's own units, (batch, *input_shape)."""
        x = (x - self.shift) / self.scale
        if len(self.scaled_shape) == 3 and len(self.input_shape) == 3:
            return x.permute(0, 3, 1, 2)  # (batch, channels, height, width)
        return x.reshape(-1, *self.scaled_shape)

    def inverse(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """Rows in the data's own units, (batch, *input_shape), of scaled rows, (batch, *scaled_shape)."""
        if len(self.scaled_shape) == 3 and len(self.input_shape) == 3:
            x = x.permute(0, 2, 3, 1)  # (batch, height, width, channels)
        else:
            x = x.reshape(-1, *self.input_shape)
        return x * self.scale + self.shift


def build_preprocessing(
    recipe: Recipe,
    input_shape: tuple[int, ...],
    *,
    minimum: Sequence[float],
    maximum: Sequence[float],
    mean: Sequence[float],
    standard_deviation: Sequence[float],
) -> Preprocessing:
    """The preprocessing that a recipe asks for.

    `range` maps minimum to 0 and maximum to 1; `standard` maps to mean 0 and deviation 1. A feature that
    never varies is only shifted. Values outside the range stay outside: nothing is clipped.

    Args:
        recipe: its `scaling` and first layer decide.
        input_shape: of one row in the data's own layout.
        minimum: and the three others: of the training rows, one number for all features or one for each, in
            the row-major order of `input_shape`.

    Raises:
        ShapeError: there are neither one nor as many numbers as features, or the row doesn't suit the first
            layer.
    """
    if recipe.scaling == "range":
        spread = [high - low for low, high in zip(minimum, maximum, strict=True)]
        shift, scale = _per_feature(minimum, input_shape), _per_feature(spread, input_shape)
    else:
        shift, scale = _per_feature(mean, input_shape), _per_feature(standard_deviation, input_shape)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    return Preprocessing(input_shape, scaled_shape(recipe, input_shape), shift, scale)


def scale_rows(preprocessing: Preprocessing, rows: AnyRows, out: Rows) -> None:
    """Write all rows scaled: what the first layer, and fine-tuning, learn from.

    Args:
        preprocessing: on the CPU.
        rows: (n, *input_shape) in the data's own units, any type of number; may be memory-mapped.
        out: float32 (n, *scaled_shape), filled; may be memory-mapped.

    Raises:
        ShapeError: the shapes of rows, preprocessing and out do not fit.
    """
    if rows.shape[1:] != preprocessing.input_shape or out.shape != (len(rows), *preprocessing.scaled_shape):
        raise ShapeError(
            f"rows {rows.shape} and out {out.shape} came; expected (n, *{preprocessing.input_shape}) and "
            f"(n, *{preprocessing.scaled_shape})"
        )
    map_rows(preprocessing, rows, out)


def _per_feature(values: Sequence[float], input_shape: tuple[int, ...]) -> Tensor:
    tensor = torch.tensor(list(values), dtype=torch.float64)
    if tensor.numel() == 1:
        return tensor.reshape(())
    if tensor.numel() == math.prod(input_shape):
        return tensor.reshape(input_shape)
    raise ShapeError(f"{tensor.numel()} numbers came; expected 1 or {math.prod(input_shape)} for {input_shape}")
