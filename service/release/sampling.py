"""What a manifest states of drawing new rows."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, Self

from pydantic import Field, model_validator

from service.release.part import Part

SamplingMethod = Literal["density", "walkback", "jacobian_walk"]


class Walkback(Part):
    """The corruption that a walkback draws, as the network was trained with: what is said is in scaled units."""

    corruption: Literal["masking", "gaussian", "salt_and_pepper"]
    level: float = Field(ge=0, description="masking, salt_and_pepper: share of the entries; gaussian: deviation")
    share: float = Field(default=1.0, ge=0, le=1, description="of the entries that gaussian noise is added to")
    low: float = Field(default=0.0, description="least value of a training row, scaled; for salt and pepper")
    high: float = Field(default=1.0, description="greatest value of a training row, scaled; for salt and pepper")

    @model_validator(mode="after")
    def _is_a_corruption(self) -> Self:
        if self.corruption != "gaussian" and self.level > 1:
            raise ValueError(f"level {self.level:g} came, a share from 0 to 1 expected")
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


class JacobianWalk(Part):
    """The walk whose step is `walk.onnx`."""

    sigma: float = Field(gt=0, description="deviation of the noise on each entry of the code")
    step_share: float = Field(description="how far one step moves the code, in deviations of the training codes")


class Sampling(Part):
    """The ways in which new rows can be drawn, and what is needed to draw them without the network's framework.

    Scaled units are (x - shift) / input.scale. Chains start from `reference/rows.npy`.
    """

    methods: tuple[SamplingMethod, ...] = Field(min_length=1)
    default: SamplingMethod
    steps: int = Field(default=1, ge=1, description="of a chain, where a client asks for no other number")
    shift: tuple[float, ...] = Field(description="what is 0 in scaled units: one number, or one a feature")
    walkback: Walkback | None = None
    jacobian_walk: JacobianWalk | None = None
    log_density: tuple[float, ...] = Field(
        min_length=2,
        description="quantiles of the training codes' log density, at evenly spaced probabilities from 0 to 1; nats",
    )
    log_density_rows: int = Field(description="how many training codes they are of")

    @model_validator(mode="after")
    def _parts_fit_methods(self) -> Self:
        if any(low > high for low, high in pairwise(self.log_density)):
            raise ValueError("the quantiles of log_density do not ascend")
        if self.default not in self.methods:
            raise ValueError(f"default is {self.default}, which is none of methods")
        for method in ("walkback", "jacobian_walk"):
            if (method in self.methods) != (getattr(self, method) is not None):
                raise ValueError(f"{method} is among methods and not described, or described and not among them")
        return self
