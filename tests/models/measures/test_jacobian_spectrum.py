"""Norm and singular values of an encoder's Jacobian, against numpy and autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from models.measures.jacobian_spectrum import jacobian_norms, singular_values
from models.recipe import parse_recipe
from models.stack import Stack, build_stack

Mapping = Callable[..., dict[str, Any]]
_CONVOLUTION = [{"kind": "convolution", "channels": 3, "kernel_size": 3, "stride": 2}]


def stack_of(mapping: dict[str, Any], shape: tuple[int, ...]) -> Stack:
    return build_stack(parse_recipe(mapping), shape).eval()


def rows_of(stack: Stack, count: int = 5) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, (count, *stack.input_shape)).astype(np.float32)


def expected_singular_values(stack: Stack, rows: np.ndarray) -> np.ndarray:
    x = torch.from_numpy(rows)
    derivative = torch.func.jacrev(lambda row: stack.encode(row[None])[0])
    jacobians = [derivative(row).detach() for row in x]
    flat = [jacobian.reshape(-1, rows[0].size).numpy() for jacobian in jacobians]
    return np.stack([np.linalg.svd(jacobian, compute_uv=False) for jacobian in flat])


@pytest.mark.parametrize(
    ("fields", "shape"),
    [
        ({"layers": [4]}, (9,)),  # one layer, code smaller
        ({"layers": [14]}, (9,)),  # one layer, code larger
        ({"layers": [7, 4]}, (9,)),  # deep, code smaller
        ({"layers": [7, 12]}, (9,)),  # deep, code larger
        ({"layers": _CONVOLUTION}, (6, 6)),
        ({"layers": [*_CONVOLUTION, 4]}, (6, 6)),
    ],
)
def test_spectrum_and_norm_are_those_of_autograds_jacobian(
    recipe_mapping: Mapping, fields: dict[str, Any], shape: tuple[int, ...]
) -> None:
    stack = stack_of(recipe_mapping(**fields, code_activation="tanh"), shape)
    rows = rows_of(stack)
    expected = expected_singular_values(stack, rows)
    np.testing.assert_allclose(singular_values(stack, rows), expected, atol=1e-5)
    np.testing.assert_allclose(jacobian_norms(stack, rows).values, np.sqrt(np.square(expected).sum(1)), rtol=1e-4)


def test_a_linear_layers_spectrum_is_its_weights(recipe_mapping: Mapping) -> None:
    stack = stack_of(recipe_mapping(layers=[3], code_activation="linear"), (5,))
    weight = np.diag([3.0, 2.0, 1.0]) @ np.eye(3, 5)
    with torch.no_grad():
        stack.pairs[0].weight.copy_(torch.from_numpy(weight))
    rows = rows_of(stack)
    np.testing.assert_allclose(singular_values(stack, rows), np.tile([3.0, 2.0, 1.0], (5, 1)), rtol=1e-6)
    norms = jacobian_norms(stack, rows)
    np.testing.assert_allclose(norms.values, np.sqrt(14), rtol=1e-6)
    assert norms.method == "closed form"


def test_a_large_deep_code_is_estimated_and_the_method_says_so(recipe_mapping: Mapping) -> None:
    small, large = (stack_of(recipe_mapping(layers=[20, size]), (10,)) for size in (128, 129))
    assert jacobian_norms(small, rows_of(small)).method.startswith("exact")
    estimated = jacobian_norms(large, rows_of(large))
    assert "64 probes" in estimated.method
    exact = np.sqrt(np.square(singular_values(large, rows_of(large))).sum(1))
    np.testing.assert_allclose(estimated.values, exact, rtol=0.15)
    np.testing.assert_allclose(estimated.values.mean(), exact.mean(), rtol=0.05)
