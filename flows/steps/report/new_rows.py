"""Rows that a release makes from nothing: random inputs, random codes decoded, and samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from flows.steps.report.release_data import ReleaseData
from service.sampling import Plan, default_plan, draw, run


@dataclass(frozen=True)
class NewRows:
    """As many of each sort, in the data's own units.

    noise: uniform in the box that inputs may lie in: the format's range for images, the reference rows' for vectors.
    codes: uniform in the box that the training codes lie in. decoded: these codes, decoded. samples: by the release's
    own sampler.
    """

    noise: Float[np.ndarray, "n ..."]
    codes: Float32[np.ndarray, "n code"]
    decoded: Float32[np.ndarray, "n ..."]
    samples: Float32[np.ndarray, "n ..."]


def new_rows(release: ReleaseData, count: int) -> NewRows:
    """So many new rows of each sort, by the release's seed.

    Raises:
        ModelError: a graph fails.
    """
    manifest, generator = release.manifest, np.random.default_rng(release.manifest.seed)
    if release.look.is_image:
        low, high = np.array(manifest.input.minimum), np.array(manifest.input.maximum)
    else:
        low, high = release.rows.min(0), release.rows.max(0)
    noise = generator.uniform(low, high, (count, *manifest.input.shape))
    box = np.array(manifest.latent.minimum), np.array(manifest.latent.maximum)
    codes = generator.uniform(*box, (count, manifest.code.size)).astype(np.float32)
    return NewRows(noise, codes, release.runtime.decode(codes), samples_of(release, count))


def samples_of(release: ReleaseData, count: int) -> Float32[np.ndarray, "n ..."]:
    """So many new rows as the service draws them when it is told nothing but the release's seed.

    Raises:
        ModelError: a graph fails.
    """
    samples: Float32[np.ndarray, "n ..."] = run(release.runtime, draw(release.runtime, _plan(release, count))).x
    return samples


def how_samples_are_drawn(release: ReleaseData) -> str:
    """To be read behind `samples`."""
    plan = _plan(release, 1)
    steps = f"by {plan.steps} step{'' if plan.steps == 1 else 's'} of"
    return {
        "density": "from the density fitted to the training codes",
        "walkback": f"{steps} walkback from training rows",
        "jacobian_walk": f"{steps} the Jacobian walk from training rows",
    }[plan.method]


def _plan(release: ReleaseData, count: int) -> Plan:
    return default_plan(release.manifest, count, release.manifest.seed)
