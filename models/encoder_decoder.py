"""The two modules that are exported: from the data's own units to codes, and from a code back."""

from __future__ import annotations

import copy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.preprocessing import Preprocessing
from models.stack import Stack


class Encoder(nn.Module):
    """Preprocessing and encoder in one: x of shape (batch, *shape) in the data's own units, float32."""

    def __init__(self, preprocessing: Preprocessing, stack: Stack) -> None:
        super().__init__()
        self.preprocessing = preprocessing
        self.stack = stack

    def forward(self, x: Float[Tensor, "batch ..."]) -> tuple[Float[Tensor, "batch _"], ...]:
        """z first, (batch, code_size); then the inner codes from the first layer up, each (batch, width)."""
        *inner, z = self.stack.codes(self.preprocessing(x))
        return (z, *inner)


class Decoder(nn.Module):
    """Decoder and inverse preprocessing in one.

    With `double_precision` a copy of the weights computes in float64 between float32 codes and float32 rows. Rounding
    in float32 grows with the units of the data: about 3e-6 of the range, 7e-4 for pixels up to 255, differ between
    two runtimes. It doubles the file and halves the speed. ONNX Runtime has no convolutions in float64 on the CPU.
    """

    def __init__(self, preprocessing: Preprocessing, stack: Stack, *, double_precision: bool = False) -> None:
        super().__init__()
        self.dtype = torch.float64 if double_precision else torch.float32
        self.preprocessing = copy.deepcopy(preprocessing).double() if double_precision else preprocessing
        self.stack = copy.deepcopy(stack).double() if double_precision else stack

    def forward(self, z: Float[Tensor, "batch code"]) -> Float[Tensor, "batch ..."]:
        """The reconstruction in the data's own units, (batch, *shape), of z, (batch, code_size)."""
        return self.preprocessing.inverse(self.stack.decode(z.to(self.dtype))).to(torch.float32)
