"""Pairs and stacks: shapes, ties, and where initial weights come from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from models.errors import ShapeError
from models.layers import ConvolutionPair
from models.recipe import Recipe, parse_recipe
from models.stack import Stack, build_stack

Mapping = Callable[..., dict[str, Any]]


def convolutions(*sizes: tuple[int, int, int]) -> list[dict[str, Any]]:
    return [
        {"kind": "convolution", "channels": channels, "kernel_size": kernel, "stride": stride}
        for channels, kernel, stride in sizes
    ]


@pytest.mark.parametrize("shape", [(5,), (8, 8), (6, 5, 3)])
def test_a_dense_stack_takes_any_row_and_may_widen_it(recipe_mapping: Mapping, shape: tuple[int, ...]) -> None:
    stack = build_stack(parse_recipe(recipe_mapping(layers=[200, 2])), shape)
    x = torch.rand(3, *stack.input_shape)
    assert [code.shape for code in stack.codes(x)] == [(3, 200), (3, 2)]
    assert stack.decode(stack.encode(x)).shape == x.shape
    assert torch.equal(stack.codes(x)[-1], stack.encode(x))


def test_convolutions_lead_into_dense_layers_and_back(recipe_mapping: Mapping) -> None:
    recipe = parse_recipe(recipe_mapping(layers=[*convolutions((4, 3, 2), (5, 4, 2)), 6]))
    stack = build_stack(recipe, (9, 10, 3))
    x = torch.rand(2, 3, 9, 10)
    assert [code.shape[1] for code in stack.codes(x)] == [4 * 5 * 5, 5 * 2 * 2, 6]
    assert stack(x).shape == x.shape


def test_a_convolutional_bottleneck_is_a_flat_code(recipe_mapping: Mapping) -> None:
    stack = build_stack(parse_recipe(recipe_mapping(layers=convolutions((2, 3, 2)))), (8, 8))
    x = torch.rand(2, 1, 8, 8)
    assert stack.encode(x).shape == (2, 2 * 4 * 4)
    assert stack(x).shape == x.shape


@pytest.mark.parametrize(
    ("layers", "shape"), [(convolutions((2, 3, 2)), (10,)), (convolutions((2, 9, 2)), (0, 3)), ([3], ())]
)
def test_rows_that_do_not_suit_the_first_layer_are_refused(
    recipe_mapping: Mapping, layers: list[Any], shape: tuple[int, ...]
) -> None:
    with pytest.raises(ShapeError, match="came"):
        build_stack(parse_recipe(recipe_mapping(layers=layers)), shape)


def _same(first: Stack, second: Stack, index: int) -> bool:
    one, other = first.pairs[index].state_dict(), second.pairs[index].state_dict()
    return all(torch.equal(one[name], other[name]) for name in one)


def test_a_layers_initial_weights_depend_on_seed_and_index_alone(recipe_mapping: Mapping) -> None:
    def stack(**fields: Any) -> Stack:
        return build_stack(parse_recipe(recipe_mapping(**fields)), (10,))

    plain = stack(layers=[6, 6, 6])
    torch.manual_seed(123)
    assert all(_same(plain, stack(layers=[6, 6, 6]), index) for index in range(3))
    assert _same(plain, stack(layers=[6, 6, 2]), 1)
    assert not _same(plain, stack(layers=[6, 6, 6], seed=1), 0)
    assert not torch.equal(plain.pairs[1].weight, plain.pairs[2].weight)


def test_building_a_stack_draws_no_global_random_number(recipe_mapping: Mapping) -> None:
    before = torch.random.get_rng_state()
    build_stack(parse_recipe(recipe_mapping(layers=[*convolutions((2, 3, 2)), 3])), (8, 8))
    assert torch.equal(torch.random.get_rng_state(), before)


OPTIONS = [
    "activation",
    "code_activation",
    "output_activation",
]


@pytest.mark.parametrize("option", OPTIONS)
def test_each_activation_changes_the_reconstruction(recipe_mapping: Mapping, option: str) -> None:
    other = {"activation": "tanh", "code_activation": "relu", "output_activation": "linear"}[option]
    x = torch.rand(2, 10, generator=torch.Generator().manual_seed(0))
    plain: Recipe = parse_recipe(recipe_mapping())
    changed = parse_recipe(recipe_mapping(**{option: other}))
    assert not torch.equal(build_stack(plain, (10,))(x), build_stack(changed, (10,))(x))


def test_tied_weights_hold_no_second_copy(recipe_mapping: Mapping) -> None:
    stack = build_stack(parse_recipe(recipe_mapping(tied_weights=True)), (10,))
    assert not [name for name in stack.state_dict() if "decoder_weight" in name]
    assert not isinstance(stack.pairs[0], ConvolutionPair)
