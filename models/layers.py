"""One encoder/decoder pair, dense or convolutional, its weights tied or not."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from models.activations import activate
from models.errors import ShapeError
from models.initialisation import initial_weight
from models.recipe_parts import Activation, Convolution, Dense, Layer


class Autoencoder(nn.Module, ABC):
    """What objectives train: an encoder h and a decoder g, each known before its activation.

    `input_shape` and `code_shape` are those of one row; the encoder also takes the flattened row, and the
    decoder the flattened code.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        code_shape: tuple[int, ...],
        *,
        code_activation: Activation,
        output_activation: Activation,
    ) -> None:
        super().__init__()
        self.input_shape = input_shape
        self.code_shape = code_shape
        self.code_activation: Activation = code_activation
        self.output_activation: Activation = output_activation

    @property
    def code_size(self) -> int:
        """Units of the code, flattened."""
        return math.prod(self.code_shape)

    @abstractmethod
    def encoder_preactivation(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """a of shape (batch, *code_shape), from x of shape (batch, *input_shape)."""

    @abstractmethod
    def decoder_preactivation(self, z: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """The reconstruction before its activation, (batch, *input_shape), from z of shape (batch,
        *code_shape)."""

    def encode(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """h(x), (batch, *code_shape)."""
        return activate(self.code_activation, self.encoder_preactivation(x))

    def decode(self, z: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """g(z), (batch, *input_shape)."""
        return activate(self.output_activation, self.decoder_preactivation(z))

    def forward(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """g(h(x))."""
        return self.decode(self.encode(x))


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
        weight = self.weight.t() if self.decoder_weight is None else self.decoder_weight
        return functional.linear(z, weight, self.decoder_bias).reshape(-1, *self.input_shape)


class ConvolutionPair(Autoencoder):
    """A strided convolution down, zero-padded, and the transposed convolution of the same geometry up.

    Any image size works: the transposed convolution is told the exact size to return to.
    """

    def __init__(
        self,
        layer: Convolution,
        input_shape: tuple[int, ...],
        *,
        code_activation: Activation,
        output_activation: Activation,
        tied: bool,
        generator: torch.Generator,
    ) -> None:
        kernel, stride = layer.kernel_size, layer.stride
        if len(input_shape) != 3:
            raise ShapeError(f"shape {input_shape} came; a convolution expects (channels, height, width)")
        padding = (kernel - 1) // 2
        channels, *image = input_shape
        reach = [side + 2 * padding - kernel for side in image]
        if min(reach) < 0:
            raise ShapeError(
                f"image of {image} came; a kernel of side {kernel} expects at least {kernel - 2 * padding}"
            )
        code_shape = (layer.channels, *(room // stride + 1 for room in reach))
        super().__init__(input_shape, code_shape, code_activation=code_activation, output_activation=output_activation)
        self.stride = stride
        self.padding = padding
        self.output_padding = (reach[0] % stride, reach[1] % stride)
        shape = (layer.channels, channels, kernel, kernel)
        area = kernel * kernel
        # A pixel is reached from area / stride² positions.
        fan_in, fan_out = channels * area, max(1, layer.channels * area // stride**2)
        self.weight = nn.Parameter(
            initial_weight(shape, fan_in=fan_in, fan_out=fan_out, activation=code_activation, generator=generator)
        )
        self.encoder_bias = nn.Parameter(torch.zeros(layer.channels))
        self.decoder_bias = nn.Parameter(torch.zeros(channels))
        self.decoder_weight = (
            None
            if tied
            else nn.Parameter(
                initial_weight(shape, fan_in=fan_out, fan_out=fan_in, activation=output_activation, generator=generator)
            )
        )

    def encoder_preactivation(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch channels height width"]:
        image = x.reshape(-1, *self.input_shape)
        return functional.conv2d(image, self.weight, self.encoder_bias, self.stride, self.padding)

    def decoder_preactivation(self, z: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch channels height width"]:
        return functional.conv_transpose2d(
            z.reshape(-1, *self.code_shape),
            self.weight if self.decoder_weight is None else self.decoder_weight,
            self.decoder_bias,
            self.stride,
            self.padding,
            self.output_padding,
        )


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
        ShapeError: the input is no image, or the kernel is larger than the padded image.
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
