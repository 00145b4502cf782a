"""Layers in order, and the bottleneck's code."""

from __future__ import annotations

import math
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from models.errors import ShapeError
from models.layers import Autoencoder, Pair, build_pair
from models.preprocessing import scaled_shape
from models.randomness import make_generator
from models.recipe import Recipe, code_activation, reconstruction_activation
from models.recipe_parts import LARGEST_CODE


class Stack(Autoencoder):
    """Pairs in order, from the data to the bottleneck, over scaled rows.

    The code is that of the last pair, flattened to (batch, code_size). Decoding goes back through all pairs:
    the unrolled autoencoder of Hinton & Salakhutdinov 2006, figure 1.
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        first, last = pairs[0], pairs[-1]
        super().__init__(
            first.input_shape,
            (math.prod(last.code_shape),),
            code_activation=last.code_activation,
            output_activation=first.output_activation,
        )
        self._pairs = nn.ModuleList(pairs)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The pairs, from the data to the bottleneck; training one trains the stack's."""
        return tuple(self._pairs)  # type: ignore[arg-type]  # ModuleList forgets what it holds

    def encoder_preactivation(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch code"]:
        *lower, last = self.pairs
        for pair in lower:
            x = pair.encode(x)
        return last.encoder_preactivation(x).flatten(1)

    def decoder_preactivation(self, z: Float[Tensor, "batch code"]) -> Float[Tensor, "batch ..."]:
        first, *upper = self.pairs
        for pair in reversed(upper):
            z = pair.decode(z)
        return first.decoder_preactivation(z)

    def codes(self, x: Float[Tensor, "batch ..."]) -> list[Float[Tensor, "batch _"]]:
        """The code of every pair, from the first to the bottleneck, each flattened to (batch, width)."""
        codes = []
        for pair in self.pairs:
            x = pair.encode(x)
            codes.append(x.flatten(1))
        return codes


def build_stack(recipe: Recipe, input_shape: tuple[int, ...]) -> Stack:
    """The stack that a recipe describes, with initial weights.

    The initial weights of layer k depend on the seed, k and shapes alone, so that a run taken up at layer k
    has the same as one that never stopped.

    Args:
        recipe: what to train.
        input_shape: of one row in the data's own layout: (height, width), (height, width, channels) or
            (columns,).

    Raises:
        ShapeError: convolutions for something that is no image, an image smaller than a kernel, or a code of more
            than 8,192 units, to which no density could be fitted.
    """
    shape = scaled_shape(recipe, input_shape)
    pairs: list[Pair] = []
    for index, layer in enumerate(recipe.layers):
        pair = build_pair(
            layer,
            shape,
            code_activation=code_activation(recipe, index),
            output_activation=reconstruction_activation(recipe, index),
            tied=recipe.tied_weights,
            generator=make_generator(recipe.seed, "weights", index),
        )
        pairs.append(pair)
        shape = pair.code_shape
    if (units := math.prod(shape)) > LARGEST_CODE:
        raise ShapeError(
            f"layers: rows of {input_shape} get a code of {shape}, {units} units; allowed: at most {LARGEST_CODE}; "
            f"end with a dense layer, or with more strides"
        )
    return Stack(pairs)
