"""The fields of a recipe, each with what it takes on its own."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from models.recipe_parts import (
    Activation,
    Contraction,
    Corruption,
    Export,
    FineTuning,
    Gate,
    Integer,
    Layer,
    Loss,
    Part,
    Pretraining,
    Scaling,
    SupervisedFineTuning,
)

Kind = Literal["ae", "sae", "dae", "sdae", "scae", "cae"]


class RecipeFields(Part):
    """The fields of a `Recipe`, each right on its own."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="a name for people; changes no weight")
    kind: Kind = Field(
        description="ae: plain; dae: denoising; sae, sdae: the same, stacked (at least two layers); "
        "scae: stochastic contraction; cae: analytic contraction"
    )
    layers: tuple[Layer, ...] = Field(
        min_length=1,
        max_length=32,
        description="from the input to the bottleneck, convolutions first; an integer is a dense width",
    )
    activation: Literal["sigmoid", "tanh", "relu"] = Field(
        default="sigmoid", description="of every code but the bottleneck, in encoder and decoder"
    )
    code_activation: Activation = Field(default="sigmoid", description="of the bottleneck")
    output_activation: Literal["sigmoid", "linear"] = Field(
        default="sigmoid", description="of the reconstruction; sigmoid keeps it inside the range"
    )
    tied_weights: bool = Field(default=False, description="decoder weights are the encoder's, transposed")
    loss: Loss = Field(
        default="squared_error",
        description="summed over features; layers whose input leaves [0, 1] take squared_error",
    )
    scaling: Scaling = Field(default="range", description="range: to [0, 1]; standard: to mean 0 and deviation 1")
    corruption: Corruption = Field(
        default=Corruption(), description="dae and sdae: of every layer's input without its own"
    )
    contraction: Contraction = Field(
        default=Contraction(), description="scae and cae: of every layer's code without its own"
    )
    pretraining: Pretraining = Field(default=Pretraining(), description="greedy training, layer by layer")
    fine_tuning: FineTuning = Field(default=FineTuning(), description="of the whole stack; 0 epochs: none")
    supervised_fine_tuning: SupervisedFineTuning = Field(
        default=SupervisedFineTuning(), description="of a classifier on top of the pre-trained encoder; 0 epochs: none"
    )
    gate: Gate = Field(
        default=Gate(), description="when a new release may take the champion's place; changes no weight"
    )
    # Left out where it is the default: it changes no weight, and older releases keep the words of their recipes.
    export: Export = Field(
        default=Export(),
        description="what else is stored beside the float32 networks; changes no weight",
        exclude_if=lambda export: export == Export(),
    )
    seed: Integer = Field(default=0, ge=0, le=2**32 - 1, description="of initial weights, order of rows, and noise")
