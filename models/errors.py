"""The exceptions of this room.

ModelError
├── RecipeError           a recipe is not valid; one line a wrong field
├── ShapeError            arrays or layers do not fit each other
└── TrainingDivergedError the loss is no longer a finite number
"""

from __future__ import annotations


class ModelError(Exception):
    """Anything that this room refuses; the message says what came and what was expected."""


class RecipeError(ModelError, ValueError):
    """A recipe is not valid. The message has one line for each wrong field: path, the value that came, what
    is allowed."""


class ShapeError(ModelError, ValueError):
    """Rows, codes or layers whose shapes do not fit each other."""


class TrainingDivergedError(ModelError, ArithmeticError):
    """The loss became infinite or NaN. The message names the phase, the epoch, the step and the learning
    rate."""
