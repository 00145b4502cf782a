"""Sketches: the merge of parts is the sketch of all, in whatever order, and one row cannot outweigh the rest."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise

import numpy as np
import pytest

from service.density import Spread
from service.drift.sketch import P_ENDS, WIDTH, Sketch, binned, project, whiten
from service.drift.windows import KeptSketch

CELLS = 5


def sketched(codes: np.ndarray, spread: Spread, p: np.ndarray) -> Sketch:
    cells = np.random.default_rng(1).normal(size=(CELLS, codes.shape[1]))
    return Sketch.of(codes, spread, cells, p, p[: len(p) // 2])


@pytest.mark.parametrize("width", [1, 3, WIDTH, WIDTH + 36])
def test_parts_merged_are_the_sketch_of_all_rows(width: int) -> None:
    generator = np.random.default_rng(width)
    # Far from 0 and correlated, so that a careless sum would lose digits.
    codes = (1e4 + generator.normal(size=(901, width)) @ generator.normal(size=(width, width))).astype(np.float32)
    p = generator.uniform(size=901).astype(np.float32)
    spread = Spread.of(codes[:400])
    ends = [0, 0, 1, 300, 301, 901]
    parts = [Sketch.of(codes[a:b], spread, np.zeros((1, width)), p[a:b], p[a:b]) for a, b in pairwise(ends)]
    whole = Sketch.of(codes, spread, np.zeros((1, width)), p, p)
    for order in (parts, parts[::-1]):
        merged = reduce(Sketch.merged, order, Sketch.empty(width, 1))
        assert merged.rows == whole.rows == 901
        np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(merged.scatter, whole.scatter, rtol=1e-9, atol=1e-8)
        for name in ("cells", "latent_p", "reconstruction_p"):
            assert (getattr(merged, name) == getattr(whole, name)).all()
    # And they are what numpy says of the rows themselves.
    apart = project(whiten(codes, spread))
    np.testing.assert_allclose(whole.scatter / 900, np.atleast_2d(np.cov(apart, rowvar=False)), rtol=1e-6, atol=1e-6)


def test_a_sketch_is_kept_and_read_as_it_was() -> None:
    codes = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    sketch = sketched(codes, Spread.of(codes), np.linspace(0.01, 1, 50, dtype=np.float32))
    again = KeptSketch.model_validate_json(KeptSketch.of(sketch).model_dump_json()).sketch()
    for name, value in vars(sketch).items():
        assert np.array_equal(getattr(again, name), value), name


def test_one_row_that_is_far_off_does_not_outweigh_all_others() -> None:
    codes = np.random.default_rng(0).normal(size=(1000, 2)).astype(np.float32)
    spread = Spread.of(codes)
    codes[0] = 3e38
    assert (np.abs(sketched(codes, spread, np.ones(1000, np.float32)).mean) < 0.1).all()


def test_p_values_at_the_end_of_a_bin_are_in_it() -> None:
    assert (binned(np.asarray(P_ENDS, np.float32)) == 1).all()


def test_sketches_of_two_releases_are_not_merged() -> None:
    with pytest.raises(ValueError, match="different releases"):
        Sketch.empty(3, 4).merged(Sketch.empty(3, 5))
