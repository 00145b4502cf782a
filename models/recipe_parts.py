"""The parts of a recipe, each checked on its own: layers, corruption, contraction, optimiser, training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from models.recipe_errors import Fault, cross_field_error

Activation = Literal["linear", "sigmoid", "tanh", "relu"]
Loss = Literal["squared_error", "binary_cross_entropy"]
Scaling = Literal["range", "standard"]
CorruptionKind = Literal["none", "masking", "gaussian", "salt_and_pepper"]
ContractionKind = Literal["none", "analytic", "stochastic"]
ContractionForm = Literal["auto", "closed", "exact", "probe"]
Precision = Literal["auto", "float32", "bfloat16"]

# A penalty that takes one vector-Jacobian product a code unit is affordable up to here.
LARGEST_EXACT_CODE = 64
# A density with full covariances is fitted to the codes: above, it would take gigabytes.
LARGEST_CODE = 8192


def _no_truth_value(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticCustomError("boolean", "a number, not true or false")
    return value


# Pydantic reads true as 1. Its strict numbers do not, nor YAML's 1e-3, which is text.
Integer = Annotated[int, BeforeValidator(_no_truth_value)]
Number = Annotated[float, BeforeValidator(_no_truth_value)]


class Part(BaseModel):
    """What all parts share: frozen, no unknown fields, no infinities."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Emphasis(Part):
    """How much an entry of the reconstruction counts, by whether the corruption touched it (Vincent 2010, 4.3)."""

    corrupted: Number = Field(default=1.0, ge=0, description="weight of entries that the corruption touched, α")
    untouched: Number = Field(default=1.0, ge=0, description="weight of entries that it left alone, β")

    @model_validator(mode="after")
    def _something_counts(self) -> Emphasis:
        if self.corrupted == 0 and self.untouched == 0:
            raise cross_field_error([Fault("untouched", 0.0, "above 0 where corrupted is 0: nothing would be learned")])
        return self


class Corruption(Part):
    """How an input is spoilt before it is encoded, q(x~|x). The target stays clean."""

    kind: CorruptionKind = Field(
        default="none",
        description="masking: a share of the inputs becomes 0, the others are not rescaled; "
        "gaussian: noise is added; salt_and_pepper: a share becomes minimum or maximum, by a coin",
    )
    level: Number = Field(
        default=0.0,
        ge=0,
        description="masking, salt_and_pepper: share of inputs, below 1; gaussian: deviation, scaled units",
    )
    share: Number = Field(
        default=1.0, gt=0, le=1, description="gaussian only: the share of the inputs that noise is added to"
    )
    emphasis: Emphasis | None = Field(
        default=None, description="weigh the reconstruction of touched entries against that of the others"
    )

    @model_validator(mode="after")
    def _parts_fit_kind(self) -> Corruption:
        faults = []
        if self.kind == "none" and self.level != 0:
            faults.append(Fault("level", self.level, "0 where kind is none"))
        if self.kind in {"masking", "salt_and_pepper"} and self.level >= 1:
            faults.append(Fault("level", self.level, f"at least 0 and below 1 where kind is {self.kind}"))
        if self.kind != "gaussian" and self.share != 1:
            faults.append(Fault("share", self.share, "1 unless kind is gaussian"))
        if self.emphasis is not None and (self.kind == "none" or (self.kind == "gaussian" and self.share == 1)):
            allowed = (
                "none where the corruption touches no entry, or every one: kind none, or gaussian with a share of 1"
            )
            faults.append(Fault("emphasis", self.emphasis.model_dump(), allowed))
        elif self.emphasis is not None and self.level == 0 and self.emphasis.untouched == 0:
            faults.append(Fault("emphasis.untouched", 0.0, "above 0 where level is 0: nothing would be learned"))
        if faults:
            raise cross_field_error(faults)
        return self


class Contraction(Part):
    """The penalty on how fast the code moves with the input."""

    kind: ContractionKind = Field(
        default="none",
        description="analytic: squared Frobenius norm of dh/dx; stochastic: squared distance of h(x), h(x~)",
    )
    weight: Number = Field(default=0.0, ge=0, description="λ, in units of the reconstruction loss")
    form: ContractionForm = Field(
        default="auto",
        description="analytic only. closed: one layer, exactly; exact: one product a code unit, for small codes; "
        "probe: Hutchinson's unbiased estimate; auto: closed for one layer, exact for a whole encoder with a code "
        "of up to 4 units (two to three times the plain epoch), beyond that a probe, which costs one product a layer "
        "instead of one a code unit",
    )
    corruption: Corruption = Field(
        default=Corruption(), description="stochastic only: how x~ is drawn from x for the penalty"
    )

    @model_validator(mode="after")
    def _parts_fit_kind(self) -> Contraction:
        faults = []
        if self.kind == "none" and self.weight != 0:
            faults.append(Fault("weight", self.weight, "0 where kind is none"))
        if self.kind != "analytic" and self.form != "auto":
            faults.append(Fault("form", self.form, "auto unless kind is analytic"))
        drawn = self.corruption.kind
        if self.kind == "stochastic" and drawn == "none":
            faults.append(Fault("corruption.kind", drawn, "masking, gaussian or salt_and_pepper for stochastic"))
        if self.kind != "stochastic" and drawn != "none":
            faults.append(Fault("corruption.kind", drawn, "none unless kind is stochastic"))
        if self.corruption.emphasis is not None:
            faults.append(
                Fault("corruption.emphasis", self.corruption.emphasis.model_dump(), "none: this reconstructs nothing")
            )
        if faults:
            raise cross_field_error(faults)
        return self


class Dense(Part):
    """A fully connected layer. A bare integer in `layers` is short for it."""

    kind: Literal["dense"] = Field(default="dense", description="a fully connected layer")
    width: Integer = Field(ge=1, le=65536, description="number of code units; may be more than the input's")
    corruption: Corruption | None = Field(default=None, description="of this layer's input, instead of the recipe's")
    contraction: Contraction | None = Field(default=None, description="of this layer's code, instead of the recipe's")


class Convolution(Part):
    """A strided convolution down, and up again by a transposed convolution or by resizing and convolving."""

    kind: Literal["convolution"] = Field(default="convolution", description="a convolution over the image")
    channels: Integer = Field(ge=1, le=4096, description="number of feature maps in the code")
    kernel_size: Integer = Field(default=3, ge=1, le=31, description="side of the square kernel in pixels")
    stride: Integer = Field(
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
    corruption: Corruption | None = Field(default=None, description="of this layer's input, instead of the recipe's")
    contraction: Contraction | None = Field(default=None, description="of this layer's code, instead of the recipe's")

    @model_validator(mode="after")
    def _every_pixel_is_seen(self) -> Convolution:
        if self.stride > self.kernel_size:
            raise cross_field_error([Fault("stride", self.stride, f"at most kernel_size ({self.kernel_size})")])
        return self


def expand_layer(value: object) -> object:
    """A layer as read from YAML: an integer becomes the fields of the dense layer that it is short for."""
    if isinstance(value, int) and not isinstance(value, bool):
        return {"kind": "dense", "width": value}
    return value


Layer = Annotated[Dense | Convolution, Field(discriminator="kind"), BeforeValidator(expand_layer)]


class Optimiser(Part):
    """How weights follow the gradient."""

    name: Literal["adam", "sgd"] = Field(default="adam", description="adam, or stochastic gradient descent")
    learning_rate: Number = Field(default=1e-3, gt=0, le=10, description="size of a step")
    schedule: Literal["constant", "cosine"] = Field(
        default="constant",
        description="cosine: the learning rate falls to 0 along half a cosine over all steps",
    )
    weight_decay: Number = Field(
        default=0.0,
        ge=0,
        le=1,
        description="decay of weights, not of biases; decoupled from the gradient for adam",
    )
    momentum: Number = Field(default=0.0, ge=0, lt=1, description="share of the last step that is kept; sgd only")

    @model_validator(mode="after")
    def _momentum_has_an_effect(self) -> Optimiser:
        if self.name == "adam" and self.momentum != 0:
            raise cross_field_error([Fault("momentum", self.momentum, "0 where name is adam")])
        return self


class Export(Part):
    """What else is stored beside the float32 networks."""

    variants: tuple[Literal["int8", "float16"], ...] = Field(
        default=(),
        max_length=2,
        description="the networks in fewer bits too. int8: dense layers with whole numbers of 8 bits, three times as "
        "fast on a CPU; float16: for CUDA",
    )
    least_neighbour_agreement: Number = Field(
        default=0.95,
        gt=0,
        le=1,
        description="share of the 10 nearest neighbours in the code that a variant must keep on held-out rows to "
        "be served",
    )


class Training(Part):
    """Epochs over the training rows: what all phases have in common."""

    epochs: Integer = Field(default=10, ge=0, le=100_000, description="passes over the training rows; 0: none")
    minimum_steps: Integer = Field(
        default=0,
        ge=0,
        le=10_000_000,
        description="more epochs until there are so many steps, for data with few rows",
    )
    patience: Integer = Field(
        default=0,
        ge=0,
        le=100_000,
        description="early stopping: end after so many epochs without a better validation figure, and keep the "
        "weights of the best epoch; 0: train all epochs and keep the last",
    )
    batch_size: Integer = Field(default=128, ge=1, le=65536, description="rows a step")
    precision: Precision = Field(
        default="auto",
        description="of the matrix products; bfloat16 keeps weights, sums and losses in float32; auto: bfloat16 where "
        "the device multiplies it itself, the largest layer has 65,536 weights or more, and no stochastic contraction "
        "compares two codes, else float32; on a GPU TF32 for smaller layers",
    )
    optimiser: Optimiser = Field(default=Optimiser(), description="how weights follow the gradient")


class Pretraining(Training):
    """Greedy training, the same for each layer."""


class FineTuning(Training):
    """Training of all layers at once on the unrolled reconstruction."""

    corrupt: bool = Field(default=False, description="corrupt the input here too, by the recipe's corruption")
    contract: bool = Field(
        default=False, description="contract the whole encoder here too, by the recipe's contraction"
    )


class SupervisedFineTuning(Training):
    """Training of the encoder's layers with a softmax on top, on the labels of the data."""

    epochs: Integer = Field(default=0, ge=0, le=100_000, description="passes over the training rows; 0: no classifier")
    corruption: Corruption = Field(default=Corruption(), description="of the rows that are learned from")
    contraction: Contraction = Field(
        default=Contraction(), description="of the whole encoder; λ in units of the cross-entropy of the labels"
    )


class Gate(Part):
    """When a new release may take the champion's place. Changes no weight."""

    tolerance: Number = Field(
        default=0.01,
        ge=0,
        le=1,
        description="how much worse than the champion's any measure may be, as a share of the champion's",
    )
    latency_tolerance: Number = Field(
        default=0.5, ge=0, le=100, description="the same for the time that ONNX Runtime takes, which is noisier"
    )
    size_tolerance: Number = Field(
        default=1.0, ge=0, le=1000, description="the same for the bytes of the exported graphs"
    )
    improvements: Integer = Field(
        default=1, ge=0, le=5, description="how many measures of quality have to be better, with the interval above 0"
    )
