"""The modules that are exported: from the data's own units to codes, from a code back, and to labels."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from models.classifier import Classifier
from models.preprocessing import Preprocessing
from models.stack import Stack


class Encoder(nn.Module):
    """Preprocessing and encoder in one: x of shape (batch, *shape) in the data's own units, float32."""

    def __init__(self, preprocessing: Preprocessing, stack: Stack) -> None:
        super().__init__()
        self.preprocessing = preprocessing
        self.stack = stack

    def forward(self, x: Float[Tensor, "batch ..."]) -> tuple[Float[Tensor, "batch _"], ...]:
        """z first, (batch, code_size); then the inner codes from the first layer up, each (batch, width)."""
        *inner, z = self.stack.codes(self.preprocessing(x))
        return (z, *inner)


class Decoder(nn.Module):
    """Decoder and inverse preprocessing in one."""

    def __init__(self, preprocessing: Preprocessing, stack: Stack) -> None:
        super().__init__()
        self.preprocessing = preprocessing
        self.stack = stack

    def forward(self, z: Float[Tensor, "batch code"]) -> Float[Tensor, "batch ..."]:
        """The reconstruction in the data's own units, (batch, *shape), of z, (batch, code_size)."""
        return self.preprocessing.inverse(self.stack.decode(z))


class LabelProbabilities(nn.Module):
    """Preprocessing, classifier and softmax in one."""

    def __init__(self, preprocessing: Preprocessing, classifier: Classifier) -> None:
        super().__init__()
        self.preprocessing = preprocessing
        self.classifier = classifier

    def forward(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch classes"]:
        """The probability of each class, (batch, classes), of x, (batch, *shape) in the data's own units."""
        logits: Float[Tensor, "batch classes"] = self.classifier(self.preprocessing(x))
        return logits.softmax(1)
