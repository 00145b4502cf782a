"""What training goes on from after it was stopped at any step, and who keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor


@dataclass(frozen=True)
class Checkpoint:
    """The whole state of a training at one step.

    tensors: name -> tensor on the CPU: weights, best weights, optimiser, random generators, losses so far.
    progress: epoch, step, reports; JSON-able.
    """

    tensors: dict[str, Tensor]
    progress: dict[str, Any]


@runtime_checkable
class CheckpointKeeper(Protocol):
    """Keeps the newest checkpoint of one training; this room knows neither files nor the clock."""

    def due(self) -> bool:
        """Whether one should be kept now; asked after every step. It must not change what is learned."""
        ...

    def keep(self, checkpoint: Checkpoint) -> None:
        """Keep this one instead of the one before."""
        ...

    def last(self) -> Checkpoint | None:
        """The one to go on from, if there is any."""
        ...


def with_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the CPU, their names below `prefix`."""
    return {f"{prefix}.{name}": tensor.detach().cpu().clone() for name, tensor in tensors.items()}


def below_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """What `with_prefix` was given."""
    start = f"{prefix}."
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state, as parameter number and name -> tensor."""
    return {
        f"{number}.{name}": value
        for number, state in optimiser.state_dict()["state"].items()
        for name, value in state.items()
        # Without momentum SGD keeps a name with nothing under it.
        if value is not None
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back what `optimiser_tensors` gave."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
