"""What a release states about drawing new rows from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float32

from flows.steps.datasets import Dataset
from flows.steps.training import preprocessing_of
from models.recipe import Recipe, layer_corruption
from models.sampling import Density
from service.density import Mixture
from service.release.sampling import JacobianWalk, Sampling, SamplingMethod, Walkback
from service.sessions import open_session, run_graph

_QUANTILES = 201
# After so few steps samples are about as far from the training rows as unseen rows are; with more, a walkback tires of
# the rarer shapes, and a walk strays. docs/serving.md has the figures.
_STEPS = 5
_STEP_SHARE = 0.3
_MEASURED_ROWS = 500


def is_contractive(recipe: Recipe) -> bool:
    """Whether its encoder learned to follow the data only along the manifold: the Jacobian walk needs that."""
    return recipe.kind in {"cae", "scae"}


def describe_sampling(
    folder: Path,
    dataset: Dataset,
    recipe: Recipe,
    density: Density,
    rows: Float32[np.ndarray, "rows ..."],
    codes: Float32[np.ndarray, "rows code"],
) -> Sampling:
    """The methods that this release has, and all they need.

    Args:
        folder: a draft with its graphs.
        dataset: what was learned from.
        recipe: what was trained.
        density: fitted to the training codes.
        rows: training rows in the data's own units.
        codes: theirs.
    """
    preprocessing = preprocessing_of(dataset, recipe)
    walkback = _walkback(recipe, dataset)
    walk = _jacobian_walk(folder / "walk.onnx", rows, codes, recipe.seed) if is_contractive(recipe) else None
    methods: list[SamplingMethod] = ["density"]
    methods += ["walkback"] if walkback else []
    methods += ["jacobian_walk"] if walk else []
    logs = Mixture(density.weights, density.means, density.cholesky).log_density(codes)
    return Sampling(
        methods=tuple(methods),
        # A density is as good as any chain where the code is small; a contractive code is wide, and saturated.
        default="jacobian_walk" if walk else "density",
        steps=_STEPS,
        shift=tuple(preprocessing.shift.reshape(-1).tolist()),
        walkback=walkback,
        jacobian_walk=walk,
        log_density=tuple(np.quantile(logs, np.linspace(0, 1, _QUANTILES)).tolist()),
        log_density_rows=len(codes),
    )


def _walkback(recipe: Recipe, dataset: Dataset) -> Walkback | None:
    """The corruption of the data itself, in training; None where there was none."""
    corruption = layer_corruption(recipe, 0)
    if corruption.kind == "none" or corruption.level == 0:
        return None
    preprocessing, statistics = preprocessing_of(dataset, recipe), dataset.record.statistics
    shift, scale = preprocessing.shift.numpy().reshape(-1), preprocessing.scale.numpy().reshape(-1)
    return Walkback(
        corruption=corruption.kind,
        level=corruption.level,
        share=corruption.share,
        low=float(((np.asarray(statistics.minimum) - shift) / scale).min()),
        high=float(((np.asarray(statistics.maximum) - shift) / scale).max()),
    )


def _jacobian_walk(
    walk: Path, rows: Float32[np.ndarray, "rows ..."], codes: Float32[np.ndarray, "rows code"], seed: int
) -> JacobianWalk:
    """The deviation of the noise with which a step moves the code by a share of how far codes are from their mean."""
    asked = slice(0, _MEASURED_ROWS)
    noise = np.random.default_rng(seed).standard_normal(codes[asked].shape, dtype=np.float32)
    _, moved = run_graph(open_session(walk, "cpu", 1), {"x": rows[asked], "noise": noise}, ("next_x", "z"))
    step = np.sqrt(np.square(moved - codes[asked], dtype=np.float64).sum(1).mean())
    spread = np.sqrt(np.square(codes - codes.mean(0), dtype=np.float64).sum(1).mean())
    # An encoder that answers everything alike moves nowhere, whatever the noise.
    sigma = _STEP_SHARE * spread / step if step > 0 and spread > 0 else 1.0
    return JacobianWalk(sigma=float(sigma), step_share=_STEP_SHARE)
