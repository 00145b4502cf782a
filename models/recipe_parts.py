"""The parts of a recipe, each checked on its own: layers, corruption, contraction, optimiser, training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from models.recipe_errors import Fault, cross_field_error

Activation = Literal["linear", "sigmoid", "tanh", "relu"]
Loss = Literal["squared_error", "binary_cross_entropy"]
Scaling = Literal["range", "standard"]
CorruptionKind = Literal["none", "masking", "gaussian", "salt_and_pepper"]
ContractionKind = Literal["none", "analytic", "stochastic"]


class Part(BaseModel):
    """What all parts share: frozen, no unknown fields, no infinities."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Dense(Part):
    """A fully connected layer. A bare integer in `layers` is short for it."""

    kind: Literal["dense"] = Field(default="dense", description="a fully connected layer")
    width: int = Field(ge=1, le=65536, description="number of code units; may be more than the input's")


class Convolution(Part):
    """A strided convolution down, and up again by a transposed convolution or by resizing and convolving."""

    kind: Literal["convolution"] = Field(default="convolution", description="a convolution over the image")
    channels: int = Field(ge=1, le=4096, description="number of feature maps in the code")
    kernel_size: int = Field(default=3, ge=1, le=31, description="side of the square kernel in pixels")
    stride: int = Field(
        default=2,
        ge=1,
        le=31,
        description="pixels between kernel positions; at most kernel_size, or pixels are lost",
    )
    # Left out where it is the default: what was trained before there was a choice keeps its name.
    up: Literal["transposed", "resize"] = Field(
        default="transposed",
        description="how the decoder gets back to the image's size; resize: nearest neighbour, then a convolution, "
        "against checkerboards",
        exclude_if=lambda up: up == "transposed",
    )

    @model_validator(mode="after")
    def _every_pixel_is_seen(self) -> Convolution:
        if self.stride > self.kernel_size:
            raise cross_field_error([Fault("stride", self.stride, f"at most kernel_size ({self.kernel_size})")])
        return self


def _expand_shorthand(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return {"kind": "dense", "width": value}
    return value


Layer = Annotated[Dense | Convolution, Field(discriminator="kind"), BeforeValidator(_expand_shorthand)]


class Corruption(Part):
    """How an input is spoilt before it is encoded, q(x~|x). The target stays clean."""

    kind: CorruptionKind = Field(
        default="none",
        description="masking: a share of the inputs becomes 0, the others are not rescaled; "
        "gaussian: noise is added; salt_and_pepper: a share becomes minimum or maximum, by a coin",
    )
    level: float = Field(
        default=0.0,
        ge=0,
        description="masking, salt_and_pepper: share of inputs, below 1; gaussian: deviation, scaled units",
    )

    @model_validator(mode="after")
    def _level_fits_kind(self) -> Corruption:
        if self.kind == "none" and self.level != 0:
            raise cross_field_error([Fault("level", self.level, "0 where kind is none")])
        if self.kind in {"masking", "salt_and_pepper"} and self.level >= 1:
            raise cross_field_error([Fault("level", self.level, f"at least 0 and below 1 where kind is {self.kind}")])
        return self


class Contraction(Part):
    """The penalty on how fast the code moves with the input."""

    kind: ContractionKind = Field(
        default="none",
        description="analytic: squared Frobenius norm of dh/dx; stochastic: squared distance of h(x), h(x~)",
    )
    weight: float = Field(default=0.0, ge=0, description="λ, in units of the reconstruction loss")
    corruption: Corruption = Field(
        default=Corruption(), description="stochastic only: how x~ is drawn from x for the penalty"
    )

    @model_validator(mode="after")
    def _parts_fit_kind(self) -> Contraction:
        faults = []
        if self.kind == "none" and self.weight != 0:
            faults.append(Fault("weight", self.weight, "0 where kind is none"))
        drawn = self.corruption.kind
        if self.kind == "stochastic" and drawn == "none":
            faults.append(Fault("corruption.kind", drawn, "masking, gaussian or salt_and_pepper for stochastic"))
        if self.kind != "stochastic" and drawn != "none":
            faults.append(Fault("corruption.kind", drawn, "none unless kind is stochastic"))
        if faults:
            raise cross_field_error(faults)
        return self


class Optimiser(Part):
    """How weights follow the gradient."""

    name: Literal["adam", "sgd"] = Field(default="adam", description="adam, or stochastic gradient descent")
    learning_rate: float = Field(default=1e-3, gt=0, le=10, description="size of a step")
    schedule: Literal["constant", "cosine"] = Field(
        default="constant",
        description="cosine: the learning rate falls to 0 along half a cosine over all steps",
    )
    weight_decay: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="decay of weights, not of biases; decoupled from the gradient for adam",
    )
    momentum: float = Field(default=0.0, ge=0, lt=1, description="share of the last step that is kept; sgd only")

    @model_validator(mode="after")
    def _momentum_has_an_effect(self) -> Optimiser:
        if self.name == "adam" and self.momentum != 0:
            raise cross_field_error([Fault("momentum", self.momentum, "0 where name is adam")])
        return self


class Training(Part):
    """Epochs over the training rows: what both phases have in common."""

    epochs: int = Field(default=10, ge=0, le=100_000, description="passes over the training rows; 0: none")
    minimum_steps: int = Field(
        default=0,
        ge=0,
        le=10_000_000,
        description="more epochs until there are so many steps, for data with few rows",
    )
    batch_size: int = Field(default=128, ge=1, le=65536, description="rows a step")
    optimiser: Optimiser = Field(default=Optimiser(), description="how weights follow the gradient")


class Pretraining(Training):
    """Greedy training, the same for each layer."""


class FineTuning(Training):
    """Training of all layers at once on the unrolled reconstruction."""

    corrupt: bool = Field(default=False, description="corrupt the input here too, by the recipe's corruption")
