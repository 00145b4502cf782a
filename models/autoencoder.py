"""What objectives train: an encoder and a decoder, one pair of them or a whole stack."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

from models.activations import activate
from models.recipe_parts import Activation


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
