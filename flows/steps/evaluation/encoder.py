"""How the encoder bends space, on validation rows as Rifai et al. 2011 have it: J, saturation, contraction."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32

from flows.steps.datasets import Split
from flows.steps.evaluation.figures import curve_of, mean_of, stated
from flows.steps.evaluation.subject import SAMPLE_SEED, Subject
from models.errors import ShapeError
from models.measures.encoders import contraction_ratios, dead_share, mean_distance, saturation_per_row
from models.measures.jacobian_spectrum import jacobian_norms, singular_values
from models.preprocessing import scale_rows
from models.recipe import code_activation
from service.release.manifest import Curve, Metric

_SPLIT: Split = "validation"
_NORM_ROWS = 500
_SPECTRUM_ROWS = 200
# Multiply-adds of all singular values, and the largest smaller side of J for which they are worth their time.
_SPECTRUM_WORK = 2**33
_SPECTRUM_SIDE = 1_024
_STATED_RANKS = 200
_SATURATION_ROWS = 2_000
_CONTRACTION_ROWS = 300
# Of the mean distance of two rows, from a seventieth of it to twice as much.
_RADII = 2.0 ** np.arange(-6, 2)


def encoder_figures(subject: Subject) -> Iterator[Metric | Curve]:
    """Jacobian norm and spectrum by torch; saturation and contraction ratio by the exported encoder."""
    yield from _jacobian(subject)
    yield from _saturation(subject)
    yield from _contraction(subject)


def _jacobian(subject: Subject) -> Iterator[Metric | Curve]:
    rows = _scaled(subject, _NORM_ROWS)
    norms = jacobian_norms(subject.stack, rows, SAMPLE_SEED)
    unit = "code units per scaled unit"
    yield mean_of("jacobian_norm", norms.values, unit, _SPLIT, "neither", norms.method)
    inputs, code = math.prod(subject.stack.input_shape), subject.code_size
    small, large = sorted((inputs, code))
    if small > _SPECTRUM_SIDE:
        return
    affordable = max(2, min(_SPECTRUM_ROWS, _SPECTRUM_WORK // (large * small**2)))
    values = singular_values(subject.stack, _scaled(subject, affordable))[:, :_STATED_RANKS]
    ranks = np.arange(1.0, values.shape[1] + 1)
    yield curve_of("jacobian_spectrum", "rank", ranks, values, unit, _SPLIT, "singular values, sorted at each row")


def _saturation(subject: Subject) -> Iterator[Metric]:
    rows = subject.rows(_SPLIT, _SATURATION_ROWS)
    for index, layer in enumerate(subject.runtime.manifest.code.layers):
        activation = code_activation(subject.recipe, index)
        if activation == "linear":
            continue
        codes = subject.runtime.encode(rows, index + 1)
        shares = saturation_per_row(activation, codes)
        yield mean_of(f"saturation_{layer.name}", shares, "share of code units", _SPLIT, "neither", activation)
        # Nothing is drawn: all units are counted. None on n rows is on for more than 3 in n of all, 95 % sure.
        note = f"{activation}; saturated on every one of these rows"
        dead = dead_share(activation, codes)
        yield stated(f"dead_units_{layer.name}", dead, "share of code units", _SPLIT, len(rows), "lower", method=note)


def _contraction(subject: Subject) -> Iterator[Curve]:
    rows = subject.rows(_SPLIT, _CONTRACTION_ROWS)
    if len(rows) < 2:
        return
    radii = _RADII * mean_distance(rows, subject.scale)
    try:
        ratios = contraction_ratios(subject.runtime.encode, rows, radii, SAMPLE_SEED, subject.scale)
    except ShapeError:
        # A code that is the same for all rows: other figures say so.
        return
    note = "distance of codes over distance of rows, over the same of different rows"
    yield curve_of("contraction_ratio", "radius", radii, ratios, "ratio; radius in scaled units", _SPLIT, note)


def _scaled(subject: Subject, most: int) -> Float32[np.ndarray, "rows ..."]:
    rows = subject.rows(_SPLIT, most)
    scaled = np.empty((len(rows), *subject.preprocessing.scaled_shape), np.float32)
    scale_rows(subject.preprocessing, rows, scaled)
    return scaled
