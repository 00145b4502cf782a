"""One encoder/decoder pair, dense or convolutional, its weights tied or not."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from models.autoencoder import Autoencoder
from models.convolution import ConvolutionPair
from models.initialisation import initial_weight
from models.recipe_parts import Activation, Dense, Layer

__all__ = ["Autoencoder", "ConvolutionPair", "DensePair", "Pair", "build_pair"]


class DensePair(Autoencoder):
    """h(x) = s(W x + b), g(z) = s(V z + c); tied: V is the transpose of W, and there is no second copy."""

    def __init__(
        self,
        layer: Dense,
        input_shape: tuple[int, ...],
        *,
        code_activation: Activation,
        output_activation: Activation,
        tied: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__(
            input_shape, (layer.width,), code_activation=code_activation, output_activation=output_activation
        )
        features, width = math.prod(input_shape), layer.width
        self.weight = nn.Parameter(
            initial_weight(
                (width, features),
                fan_in=features,
                fan_out=width,
                activation=code_activation,
                generator=generator,
            )
        )
        self.encoder_bias = nn.Parameter(torch.zeros(width))
        self.decoder_bias = nn.Parameter(torch.zeros(features))
        self.decoder_weight = (
            None
            if tied
            else nn.Parameter(
                initial_weight(
                    (features, width),
                    fan_in=width,
                    fan_out=features,
                    activation=output_activation,
                    generator=generator,
                )
            )
        )

    def encoder_preactivation(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch width"]:
        return functional.linear(x.flatten(1), self.weight, self.encoder_bias)

    def decoder_preactivation(self, z: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        if self.decoder_weight is None:
            # Not `linear` with the transpose: its gradient would come transposed too, and be slow to add to the
            # encoder's.
            preactivation = torch.addmm(self.decoder_bias, z, self.weight)
        else:
            preactivation = functional.linear(z, self.decoder_weight, self.decoder_bias)
        return preactivation.reshape(-1, *self.input_shape)


Pair = DensePair | ConvolutionPair


def build_pair(
    layer: Layer,
    input_shape: tuple[int, ...],
    *,
    code_activation: Activation,
    output_activation: Activation,
    tied: bool,
    generator: torch.Generator,
) -> Pair:
    """The pair that a recipe's layer describes, with initial weights.

    Args:
        layer: dense or convolution.
        input_shape: of one input row; (channels, height, width) for a convolution, anything for a dense
            layer.
        code_activation: of the code.
        output_activation: of the reconstruction.
        tied: decode with the transposed encoder weight.
        generator: for the initial weights.

    Raises:
        ShapeError: a convolution for something that is no image.
        ModelError: tied weights for a convolution that resizes.
    """
    if isinstance(layer, Dense):
        return DensePair(
            layer,
            input_shape,
            code_activation=code_activation,
            output_activation=output_activation,
            tied=tied,
            generator=generator,
        )
    return ConvolutionPair(
        layer,
        input_shape,
        code_activation=code_activation,
        output_activation=output_activation,
        tied=tied,
        generator=generator,
    )
