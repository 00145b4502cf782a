"""A stack's encoder with a softmax on top: what supervised fine-tuning trains."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.autoencoder import Autoencoder
from models.initialisation import initial_weight
from models.randomness import make_generator
from models.recipe import Recipe
from models.stack import Stack, build_stack


class Classifier(nn.Module):
    """logits = V h(x) + b, over scaled rows; the softmax of it are the classes' probabilities.

    Its stack is its own: supervised fine-tuning moves the encoder away from the decoder, which stays as it is.

    Source: Vincent et al. 2010, section 3.4; Bengio et al. 2007.
    """

    def __init__(self, stack: Stack, classes: int, generator: torch.Generator) -> None:
        super().__init__()
        self.stack = stack
        # Without its own initialisation, which would draw from torch's global generator.
        self.head: nn.Linear = nn.utils.skip_init(  # type: ignore[no-untyped-call]
            nn.Linear, stack.code_size, classes
        )
        weight = initial_weight(
            (classes, stack.code_size),
            fan_in=stack.code_size,
            fan_out=classes,
            activation="linear",
            generator=generator,
        )
        with torch.no_grad():
            self.head.weight.copy_(weight)
            self.head.bias.zero_()
        # The decoder has no part in it.
        for pair in stack.pairs:
            for name, parameter in pair.named_parameters():
                parameter.requires_grad_(not name.startswith("decoder"))

    @property
    def encoder(self) -> Autoencoder:
        """What encodes, and is contracted where that is asked for."""
        return classifier_encoder(self.stack)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of one scaled row."""
        return self.stack.input_shape

    def forward(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch classes"]:
        """The logits of scaled rows, (batch, *input_shape)."""
        logits: Tensor = self.head(self.stack.encode(x).flatten(1))
        return logits


def classifier_encoder(stack: Stack) -> Autoencoder:
    """What a classifier encodes with: the stack, or its only pair, whose contraction penalty has a closed form."""
    return stack.pairs[0] if len(stack.pairs) == 1 else stack


def build_classifier(recipe: Recipe, input_shape: tuple[int, ...], classes: int) -> Classifier:
    """The classifier that a recipe describes, with initial weights, to be pre-trained or not.

    Args:
        recipe: what to train.
        input_shape: of one row in the data's own layout.
        classes: how many labels there are, at least 2.

    Raises:
        ShapeError: as `build_stack`.
    """
    return Classifier(build_stack(recipe, input_shape), classes, make_generator(recipe.seed, "weights", "head"))
