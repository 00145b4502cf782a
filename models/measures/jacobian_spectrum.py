"""How far an encoder's code moves with its input, and in how many directions: norm and singular values of J."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from models.activations import slope
from models.batches import Rows, chunks
from models.contraction import exact_jacobian_norm, hutchinson_jacobian_norm, pair_jacobian_norm
from models.jacobian_products import linearise_encoder
from models.layers import DensePair
from models.randomness import make_generator
from models.stack import Stack

# A deep encoder's norm costs one product with J a code unit; above, so many probes estimate it.
_LARGEST_EXACT_CODE = 128
_PROBES = 64
# Entries of the Jacobians that are in memory at a time.
_BATCH_ENTRIES = 2**23


@dataclass(frozen=True)
class JacobianNorms:
    """Frobenius norm (not squared) of dh/dx at each row, and how it was found."""

    values: Float64[np.ndarray, " rows"]
    method: str


def jacobian_norms(stack: Stack, rows: Rows, seed: int = 0) -> JacobianNorms:
    """The Frobenius norm of the encoder's Jacobian at each row; code units over scaled units.

    One layer has a closed form; a deep encoder with a code of at most 128 units takes one vector-Jacobian product a
    unit; a larger one is estimated by 64 probes a row, whose root is low by less than half a hundredth.

    Args:
        stack: on the CPU.
        rows: (n, *stack.input_shape), scaled.
        seed: for the probes.

    Source: Rifai et al. 2011, table 1, gives the mean over rows.
    """
    if len(stack.pairs) == 1:
        method = "closed form"
    elif math.prod(stack.code_shape) <= _LARGEST_EXACT_CODE:
        method = "exact, one vector-Jacobian product a code unit"
    else:
        method = f"Hutchinson's estimate, {_PROBES} probes a row, seed {seed}"
    generator = make_generator(seed, "probes", "measure")
    values = np.empty(len(rows))
    for place, chunk in chunks(rows):
        x = torch.from_numpy(chunk)
        values[place] = _squared_norms(stack, x, generator).double().sqrt().numpy()
    return JacobianNorms(values, method)


def singular_values(stack: Stack, rows: Rows) -> Float64[np.ndarray, "rows rank"]:
    """The singular values of the encoder's Jacobian at each row, the largest first.

    Their mean over rows is the spectrum; how fast it falls tells how many directions the code answers to. J is written
    out: by one product a code unit or one an input, whichever are fewer. Work and memory grow with d_x · d_z a row,
    and with the cube of the smaller.

    Args:
        stack: on the CPU.
        rows: (n, *stack.input_shape), scaled.

    Returns:
        (n, the smaller of input and code), code units over scaled units.

    Source: Rifai et al. 2011, section 5, on what happens locally.
    """
    parts = [_roots_of_gram(jacobian) for jacobian in _jacobians(stack, rows)]
    return np.concatenate(parts).astype(np.float64)


def _squared_norms(stack: Stack, x: Float[Tensor, "batch ..."], generator: torch.Generator) -> Float[Tensor, " batch"]:
    if len(stack.pairs) == 1:
        (pair,) = stack.pairs
        with torch.no_grad():
            return pair_jacobian_norm(pair, pair.encoder_preactivation(x))
    if math.prod(stack.code_shape) <= _LARGEST_EXACT_CODE:
        return exact_jacobian_norm(stack.encode, x)
    total = x.new_zeros(len(x))
    for _ in range(_PROBES):
        total += hutchinson_jacobian_norm(stack.encode, x, generator).detach()
    return total / _PROBES


def _jacobians(stack: Stack, rows: Rows) -> Iterator[Float[Tensor, "batch code x"]]:
    inputs, code = math.prod(stack.input_shape), math.prod(stack.code_shape)
    size = max(1, _BATCH_ENTRIES // (inputs * code))

    for start in range(0, len(rows), size):
        x = torch.from_numpy(np.array(rows[start : start + size], dtype=np.float32))
        with torch.no_grad():
            yield _one_layer(stack, x) if _is_dense(stack) else _written_out(stack, x)


def _written_out(stack: Stack, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch code x"]:
    inputs, code = math.prod(stack.input_shape), math.prod(stack.code_shape)
    encoder = linearise_encoder(stack, x)
    if code <= inputs:
        units = torch.eye(code)
        return torch.stack([encoder.pull(unit.expand(len(x), -1)).flatten(1) for unit in units], dim=1)
    directions = torch.eye(inputs).reshape(inputs, *stack.input_shape)
    return torch.stack([encoder.push(d.expand(len(x), *d.shape)).flatten(1) for d in directions], dim=2)


def _is_dense(stack: Stack) -> bool:
    return len(stack.pairs) == 1 and isinstance(stack.pairs[0], DensePair)


def _one_layer(stack: Stack, x: Float[Tensor, "batch x"]) -> Float[Tensor, "batch code x"]:
    (pair,) = stack.pairs
    steepness = slope(pair.code_activation, pair.encoder_preactivation(x))
    return steepness[:, :, None] * pair.weight


def _roots_of_gram(jacobian: Float[Tensor, "batch code x"]) -> Float64[np.ndarray, "batch rank"]:
    # In float64 the squares lose nothing that float32 had: several times faster than a singular value decomposition.
    exact = jacobian.double()
    short = exact if exact.shape[1] <= exact.shape[2] else exact.mT
    eigenvalues = torch.linalg.eigvalsh(short @ short.mT).flip(1)  # ascending -> descending
    roots: Float64[np.ndarray, "batch rank"] = eigenvalues.clamp(min=0).sqrt().numpy()
    return roots
