"""Epochs over rows: what pre-training and fine-tuning share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from models.batches import Rows, chunks
from models.determinism import reproducible
from models.errors import ShapeError, TrainingDivergedError
from models.layers import Autoencoder
from models.objectives import Objective
from models.optimisers import build_optimiser, learning_rate
from models.randomness import make_generator
from models.recipe_parts import Training


@dataclass(frozen=True)
class EpochReport:
    """One epoch's figures.

    layer: index of the pair, None while the whole stack is fine-tuned.
    epoch: from 1 to `epochs`, the number of epochs in all.
    loss: the objective's total, mean over training rows while they were learned from.
    validation_loss: the same over validation rows after the epoch, with the same noise in every epoch.
    """

    layer: int | None
    epoch: int
    epochs: int
    loss: float
    validation_loss: float


OnEpoch = Callable[[EpochReport], None]


@dataclass(frozen=True)
class Trained:
    """What training gives: the state of the model, on the CPU, and a report for each epoch."""

    state: dict[str, Tensor]
    reports: tuple[EpochReport, ...]


def train(
    model: Autoencoder,
    inputs: Rows,
    validation: Rows,
    *,
    objective: Objective,
    settings: Training,
    seed: int,
    layer: int | None,
    device: torch.device | str = "cpu",
    on_epoch: OnEpoch | None = None,
) -> Trained:
    """Train a model in place, deterministically: equal arguments give equal weights, byte for byte, on CPU.

    Args:
        model: a pair or a stack; it is left on `device`.
        inputs: training rows, float32 (n, *model.input_shape), n at least 1; may be memory-mapped, and are
            gathered batch by batch.
        validation: likewise, at least one row.
        objective: what is minimised.
        settings: epochs, batch size, optimiser.
        seed: for the order of rows and the noise.
        layer: index of the pair, None for the whole stack; names the random streams and the reports.
        device: where to compute.
        on_epoch: is called after each epoch.

    Raises:
        ShapeError: rows do not have the model's shape, or there are none.
        TrainingDivergedError: the loss became infinite or NaN.
    """
    device = torch.device(device)
    _check(inputs, model, "inputs")
    _check(validation, model, "validation")
    model.to(device)
    reports: list[EpochReport] = []
    with reproducible(device):
        if objective.needs_input_range:
            low, high = _extremes(inputs)
            objective = replace(objective, low=low, high=high)
        run = _Run(model, objective, settings, seed, layer, device, len(inputs))
        for epoch in range(run.epochs):
            loss = run.learn(inputs, epoch)
            report = EpochReport(layer, epoch + 1, run.epochs, loss, run.measure(validation))
            reports.append(report)
            if on_epoch is not None:
                on_epoch(report)
    state = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
    return Trained(state, tuple(reports))


class _Run:
    def __init__(
        self,
        model: Autoencoder,
        objective: Objective,
        settings: Training,
        seed: int,
        layer: int | None,
        device: torch.device,
        rows: int,
    ) -> None:
        self.steps = -(-rows // settings.batch_size)
        self.epochs = epochs_needed(settings, rows)
        self.model, self.objective, self.settings = model, objective, settings
        self.seed, self.device = seed, device
        self.layer = layer
        self.stage = "fine-tuning" if layer is None else layer
        self.optimiser = build_optimiser(model, settings.optimiser)
        self.order = make_generator(seed, "order", self.stage)
        self.noise = make_generator(seed, "noise", self.stage, device)

    def learn(self, inputs: Rows, epoch: int) -> float:
        """One epoch of steps; the mean loss over rows."""
        rows, size = len(inputs), self.settings.batch_size
        order = torch.randperm(rows, generator=self.order).numpy()
        buffer = np.empty((min(size, rows), *inputs.shape[1:]), dtype=np.float32)
        # Read once at the end of the epoch, so that no step waits for the device.
        losses = torch.zeros(self.steps, device=self.device)
        for step in range(self.steps):
            rate = self._rate(epoch, step)
            for group in self.optimiser.param_groups:
                group["lr"] = rate
            x = self._gather(inputs, order[step * size : (step + 1) * size], buffer)
            self.optimiser.zero_grad(set_to_none=True)
            total = self.objective.terms(self.model, x, self.noise).total
            torch.autograd.backward(total)
            self.optimiser.step()
            losses[step] = total.detach() * len(x)
        self._refuse_divergence(losses, epoch)
        return float(losses.double().sum().item() / rows)

    @torch.no_grad()
    def measure(self, rows: Rows) -> float:
        """The mean loss over rows, without learning."""
        noise = make_generator(self.seed, "validation noise", self.stage, self.device)
        total = torch.zeros((), device=self.device, dtype=torch.float64)
        for _, chunk in chunks(rows):
            x = torch.from_numpy(chunk).to(self.device)
            total += self.objective.terms(self.model, x, noise).total.double() * len(x)
        return float(total.item() / len(rows))

    def _gather(self, inputs: Rows, chosen: Int64[np.ndarray, " batch"], buffer: Rows) -> Tensor:
        batch = buffer[: len(chosen)]
        # Within a batch the order is free; ascending, a file on disk is read forwards. `clip` spares a second
        # buffer.
        np.take(inputs, np.sort(chosen), axis=0, out=batch, mode="clip")
        x = torch.from_numpy(batch)
        # On a device the copy must be over before the buffer is filled again.
        return x if self.device.type == "cpu" else x.to(self.device)

    def _rate(self, epoch: int, step: int) -> float:
        return learning_rate(self.settings.optimiser, epoch * self.steps + step, self.epochs * self.steps)

    def _refuse_divergence(self, losses: Tensor, epoch: int) -> None:
        finite = torch.isfinite(losses)
        if bool(finite.all()):
            return
        step = int((~finite).nonzero()[0].item())
        rate = self._rate(epoch, step)
        phase = "fine-tuning" if self.layer is None else f"layer {self.layer}"
        raise TrainingDivergedError(
            f"{phase}: loss {losses[step].item()} at step {step + 1} of {self.steps} in epoch {epoch + 1}, "
            f"with a learning rate of {rate:g} ({self.settings.optimiser.name}); try a smaller one"
        )


def epochs_needed(settings: Training, rows: int) -> int:
    """How many epochs training over `rows` rows takes: `epochs`, or more for the sake of `minimum_steps`."""
    steps = -(-rows // settings.batch_size)
    return max(settings.epochs, -(-settings.minimum_steps // steps)) if settings.epochs else 0


def _check(rows: Rows, model: Autoencoder, name: str) -> None:
    if rows.shape[1:] != model.input_shape or len(rows) == 0:
        raise ShapeError(f"{name}: shape {rows.shape} came; expected at least one row of {model.input_shape}")


def _extremes(rows: Rows) -> tuple[float, float]:
    extremes = [(float(chunk.min()), float(chunk.max())) for _, chunk in chunks(rows)]
    return min(low for low, _ in extremes), max(high for _, high in extremes)
