"""The learning rate of each step, as the weights show it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.checkpoints import Checkpoint
from models.recipe_parts import Optimiser, Training
from models.training import Examples, train

_RATE, _EPOCHS = 0.5, 4
# Two whole batches and a rest.
_ROWS, _BATCH, _STEPS = 25, 10, 3


class Place(nn.Module):
    """One weight, whose place is all there is to it."""

    input_shape = (1,)

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, 1))


@dataclass(frozen=True)
class Downhill:
    """A slope of 1 everywhere: plain descent moves by the learning rate."""

    place: Place
    compares_codes = False
    penalty = None

    def loss(self, _x: Tensor, _labels: Tensor | None, _generator: torch.Generator) -> Tensor:
        return self.place.weight.sum()

    def figures(self, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> tuple[Tensor, ...]:
        return (self.loss(x, labels, generator),)


class Track:
    """Where the weight was after each step."""

    def __init__(self) -> None:
        self.places = [0.0]

    def due(self) -> bool:
        return True

    def keep(self, checkpoint: Checkpoint) -> None:
        self.places.append(float(checkpoint.tensors["model.weight"]))

    def last(self) -> Checkpoint | None:
        return None


def rates(optimiser: Optimiser) -> list[float]:
    """The learning rate of every step of a training."""
    place, track = Place(), Track()
    rows = Examples(np.zeros((_ROWS, 1), np.float32))
    settings = Training(epochs=_EPOCHS, batch_size=_BATCH, optimiser=optimiser)
    train(place, Downhill(place), rows, rows, settings=settings, seed=0, stage=0, checkpoints=track)
    return [before - after for before, after in pairwise(track.places)]


def test_a_cosine_falls_from_the_full_rate_to_nearly_nothing_over_all_steps_of_all_epochs() -> None:
    found = rates(Optimiser(name="sgd", learning_rate=_RATE, schedule="cosine"))
    assert len(found) == _EPOCHS * _STEPS
    assert found[0] == pytest.approx(_RATE)
    assert all(later < earlier for earlier, later in pairwise(found))
    assert found[len(found) // 2] == pytest.approx(_RATE / 2, rel=1e-5)
    assert 0 < found[-1] < 0.02 * _RATE


def test_a_constant_rate_is_that_of_every_step() -> None:
    assert rates(Optimiser(name="sgd", learning_rate=_RATE)) == pytest.approx([_RATE] * _EPOCHS * _STEPS)
