"""One training under way: where it is, its steps, its checkpoints."""

from __future__ import annotations

import math
from dataclasses import asdict

import torch
from torch import Tensor, nn

from models.batches import shuffled
from models.checkpoints import (
    Checkpoint,
    CheckpointKeeper,
    below_prefix,
    optimiser_tensors,
    restore_optimiser,
    with_prefix,
)
from models.determinism import exact_products
from models.errors import TrainingDivergedError
from models.learning import EpochReport, Examples, Problem, Trained
from models.optimisers import build_optimiser, learning_rate
from models.placing import place
from models.precision import Products
from models.randomness import make_generator
from models.recipe_parts import Training


class Run:
    """One training: where it is, and everything that its next step depends on."""

    def __init__(
        self,
        model: nn.Module,
        problem: Problem,
        settings: Training,
        seed: int,
        stage: int | str,
        device: torch.device,
        precision: Products,
        examples: Examples,
        validation: Examples,
        checkpoints: CheckpointKeeper | None,
    ) -> None:
        self.model, self.problem, self.settings = model, problem, settings
        self.seed, self.stage, self.device, self.precision = seed, stage, device, precision
        self.rows, self.validation_rows = len(examples.rows), len(validation.rows)
        self.host_rows = examples.rows
        # What is learned from has the first claim to the device's memory.
        self.examples, self.validation = place(examples, device), place(validation, device)
        self.steps = -(-self.rows // settings.batch_size)
        self.epochs = epochs_needed(settings, self.rows)
        self.optimiser = build_optimiser(model, settings.optimiser)
        self.order = make_generator(seed, "order", stage)
        self.noise = make_generator(seed, "noise", stage, device)
        self.epoch, self.step = 0, 0
        # Read once at the end of the epoch, so that no step waits for the device.
        self.losses = torch.zeros(self.steps, device=device)
        self.reports: list[EpochReport] = []
        self.best: dict[str, Tensor] = {}
        self.checkpoints = checkpoints
        last = None if checkpoints is None else checkpoints.last()
        if last is not None:
            self._restore(last)

    @property
    def is_over(self) -> bool:
        waited = len(self.reports) - max((n for n, report in enumerate(self.reports, 1) if report.best), default=0)
        return self.epoch >= self.epochs or (self.settings.patience > 0 and waited >= self.settings.patience)

    def learn(self) -> float:
        """The rest of an epoch's steps; its mean loss over rows."""
        # Kept from before the draw: who goes on from within the epoch draws the same order.
        order_state = self.order.get_state()
        order = shuffled(self.host_rows, self.order)
        for x, labels in self.examples.batches(order, self.settings.batch_size, self.step):
            self._set_learning_rate()
            self.optimiser.zero_grad(set_to_none=True)
            half = self.precision == "bfloat16"
            with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=half):
                loss = self.problem.loss(x, labels, self.noise)
            torch.autograd.backward(loss)
            self.optimiser.step()
            self.losses[self.step] = loss.detach() * len(x)
            self.step += 1
            if self.checkpoints is not None and self.checkpoints.due():
                self._keep(self.checkpoints, order_state)
        self._refuse_divergence()
        mean = float(self.losses.double().sum().item() / self.rows)
        self.epoch, self.step = self.epoch + 1, 0
        return mean

    def report(self, loss: float) -> EpochReport:
        """What to say of the epoch that is over; the weights are kept if it is the best so far."""
        watched, *rest = self._measure()
        error = rest[0] if rest else None
        # The last step's loss is from before its weights: only what is watched tells of these.
        if not math.isfinite(watched) or not self._weights_are_finite():
            raise self._diverged(f"validation loss {watched}", self.epoch - 1, self.steps - 1)
        best = all(_rank(watched, error) < _rank(r.validation_loss, r.validation_error) for r in self.reports)
        layer = self.stage if isinstance(self.stage, int) else None
        report = EpochReport(layer, self.epoch, self.epochs, loss, watched, error, best)
        self.reports.append(report)
        if best and self.settings.patience:
            self.best = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        return report

    def result(self) -> Trained:
        """The trained state; with patience that of the best epoch, which is left in the model too."""
        if self.best:
            self.model.load_state_dict(self.best)
        state = {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}
        return Trained(state, tuple(self.reports), self.precision, self.problem.penalty)

    @torch.no_grad()
    def _measure(self) -> list[float]:
        """The problem's figures over all validation rows, without learning."""
        noise = make_generator(self.seed, "validation noise", self.stage, self.device)
        sums: list[Tensor] = []
        # In float32 whatever the steps are in: it decides which epoch is the best.
        with exact_products():
            for x, labels in self.validation.in_order():
                figures = self.problem.figures(x, labels, noise)
                found = [figure.double() * len(x) for figure in figures]
                sums = [total + one for total, one in zip(sums, found, strict=True)] if sums else found
        return [float(total.item() / self.validation_rows) for total in sums]

    def _set_learning_rate(self) -> None:
        place = self.epoch * self.steps + self.step
        rate = learning_rate(self.settings.optimiser, place, self.epochs * self.steps)
        for group in self.optimiser.param_groups:
            group["lr"] = rate

    def _keep(self, checkpoints: CheckpointKeeper, order_state: Tensor) -> None:
        self._refuse_divergence()
        # The step after a finite loss may have spoilt the weights: the next loss tells, and the one before is good.
        if self._weights_are_finite():
            checkpoints.keep(self._checkpoint(order_state))

    def _checkpoint(self, order_state: Tensor) -> Checkpoint:
        generators = {"order": order_state, "noise": self.noise.get_state()}
        return Checkpoint(
            with_prefix("model", self.model.state_dict())
            | with_prefix("best", self.best)
            | with_prefix("optimiser", optimiser_tensors(self.optimiser))
            | with_prefix("generator", generators)
            | with_prefix("epoch", {"losses": self.losses}),
            {"epoch": self.epoch, "step": self.step, "reports": [asdict(report) for report in self.reports]},
        )

    def _restore(self, checkpoint: Checkpoint) -> None:
        tensors, progress = checkpoint.tensors, checkpoint.progress
        self.model.load_state_dict(below_prefix("model", tensors))
        self.best = {name: tensor.to(self.device) for name, tensor in below_prefix("best", tensors).items()}
        restore_optimiser(self.optimiser, below_prefix("optimiser", tensors))
        generators = below_prefix("generator", tensors)
        self.order.set_state(generators["order"])
        self.noise.set_state(generators["noise"])
        self.losses.copy_(tensors["epoch.losses"])
        self.epoch, self.step = progress["epoch"], progress["step"]
        self.reports = [EpochReport(**report) for report in progress["reports"]]

    def _refuse_divergence(self) -> None:
        finite = torch.isfinite(self.losses[: self.step])
        if bool(finite.all()):
            return
        step = int((~finite).nonzero()[0].item())
        raise self._diverged(f"loss {self.losses[step].item()}", self.epoch, step)

    def _weights_are_finite(self) -> bool:
        return all(bool(torch.isfinite(parameter).all()) for parameter in self.model.parameters())

    def _diverged(self, what: str, epoch: int, step: int) -> TrainingDivergedError:
        # Counted from 1, as layers are wherever people read of them.
        phase = f"layer {self.stage + 1}" if isinstance(self.stage, int) else self.stage
        rate = learning_rate(self.settings.optimiser, epoch * self.steps + step, self.epochs * self.steps)
        return TrainingDivergedError(
            f"{phase}: {what} at step {step + 1} of {self.steps} in epoch {epoch + 1}, "
            f"with a learning rate of {rate:g} ({self.settings.optimiser.name}); try a smaller one"
        )


def epochs_needed(settings: Training, rows: int) -> int:
    """How many epochs training over `rows` rows takes: `epochs`, or more for the sake of `minimum_steps`."""
    steps = -(-rows // settings.batch_size)
    return max(settings.epochs, -(-settings.minimum_steps // steps)) if settings.epochs else 0


def _rank(loss: float, error: float | None) -> tuple[float, float]:
    return (loss if error is None else error, loss)
