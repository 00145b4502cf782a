"""Numbers of JSON, packed the quick way: the same float32 as numpy makes of them, or not at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from service.formats.numbers import as_floats, surely_finite

NUMBERS = st.floats(-1e15, 1e15) | st.integers(-(2**53), 2**53)


@given(arrays.arrays(object, arrays.array_shapes(max_dims=4, max_side=5), elements=NUMBERS))
def test_packed_numbers_are_the_nearest_float32_as_numpy_finds_them(values: Any) -> None:
    found = as_floats(values.tolist())
    assert found is not None
    assert found.dtype == np.float32
    assert np.array_equal(found, values.astype(np.float64).astype(np.float32))


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [[]],
        [[1, 2], [3]],
        [[1], [2, 3]],
        [[[1, 2], [3, 4]], [[1, 2, 3], [4]]],
        [[[1], [2]], [[1, 2]]],
        [[[1, 2]], [{"a": 1, "b": 2}]],
        [[[1, 2]], ["ab"]],
        ["ab", "cd"],
        [[1, "2"]],
        [[1, None]],
        [1, [2]],
        [[1], 2],
        [[1, [2]]],
        [[1e39]],
        [[1e30]],
        [[10**400]],
    ],
)
def test_what_is_not_lists_of_one_length_of_usual_numbers_is_left_to_the_slow_way(rows: Any) -> None:
    assert as_floats(rows) is None


def test_only_finite_numbers_are_called_so() -> None:
    usual = np.ones((3, 4), np.float32)
    assert surely_finite(usual)
    for value in (np.nan, np.inf, -np.inf):
        odd = usual.copy()
        odd[2, 3] = value
        assert not surely_finite(odd)
