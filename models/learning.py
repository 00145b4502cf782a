"""What a training is given and what it gives: examples, a problem, a report for each epoch, the trained state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from models.batches import Rows
from models.contraction import PenaltyForm
from models.precision import Products

Labels = Int64[np.ndarray, " rows"]


@dataclass(frozen=True)
class Examples:
    """What is learned from.

    rows: float32 (n, *shape), n at least 1; may be memory-mapped, and are gathered batch by batch.
    labels: int64 (n,), from 0; None where nothing is learned from labels.
    """

    rows: Rows
    labels: Labels | None = None


@runtime_checkable
class Problem(Protocol):
    """What is minimised, and what is watched on validation rows."""

    @property
    def compares_codes(self) -> bool:
        """Whether the loss has a term of differences between nearly equal codes."""
        ...

    @property
    def penalty(self) -> PenaltyForm | None:
        """How the analytic contraction penalty of the loss is computed; None where it has none."""
        ...

    def loss(self, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        """The loss of one batch, mean over its rows, to be differentiated."""
        ...

    def figures(self, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Figures of one batch, each a mean over its rows: the loss first, then the share of wrong labels, if any."""
        ...


@dataclass(frozen=True)
class EpochReport:
    """One epoch's figures.

    layer: index of the pair, None while the whole stack is fine-tuned.
    epoch: from 1 to `epochs`, the number of epochs in all.
    loss: what is minimised, mean over training rows while they were learned from.
    validation_loss: the same over validation rows after the epoch, with the same noise in every epoch.
    validation_error: share of validation rows whose label was missed; None without labels.
    best: whether it is better on validation than every epoch before: the error decides where there is one, then the
    loss.
    """

    layer: int | None
    epoch: int
    epochs: int
    loss: float
    validation_loss: float
    validation_error: float | None = None
    best: bool = True


OnEpoch = Callable[[EpochReport], None]


@dataclass(frozen=True)
class Trained:
    """What training gives.

    state: of the model, on the CPU.
    reports: one for each epoch.
    precision: of the matrix products.
    penalty: how the analytic contraction penalty was computed; None where there was none.
    """

    state: dict[str, Tensor]
    reports: tuple[EpochReport, ...]
    precision: Products
    penalty: PenaltyForm | None
