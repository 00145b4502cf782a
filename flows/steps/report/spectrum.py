"""Singular values of an encoder's Jacobian."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from models.batches import Rows
from models.stack import Stack

_BATCH = 32


def singular_values(stack: Stack, rows: Rows) -> Float64[np.ndarray, "rows rank"]:
    """The singular values of dh/dx at each row, the largest first; code units over scaled units.

    Args:
        stack: on the CPU.
        rows: (n, *stack.input_shape), scaled.

    Source: Rifai et al. 2011, figure 3.
    """

    def encode_one(x: Tensor) -> Tensor:
        return stack.encode(x[None])[0].flatten()

    derivative = torch.func.vmap(torch.func.jacrev(encode_one))
    values = []
    for start in range(0, len(rows), _BATCH):
        with torch.no_grad():
            jacobian = derivative(torch.from_numpy(np.array(rows[start : start + _BATCH]))).flatten(2).double()
        short = jacobian if jacobian.shape[1] <= jacobian.shape[2] else jacobian.mT
        values.append(torch.linalg.eigvalsh(short @ short.mT).flip(1).clamp(min=0).sqrt().numpy())
    return np.concatenate(values)
