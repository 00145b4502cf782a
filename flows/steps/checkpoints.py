"""The checkpoint of a training that is under way: one file, replaced in one step, gone when the training is over."""

from __future__ import annotations

import json
import time
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from flows.steps.errors import FlowError
from models.checkpoints import Checkpoint
from service.release.atomic import write_atomically


class CheckpointError(FlowError):
    """A checkpoint cannot be read; the message names the file to remove."""


class CheckpointFile:
    """Keeps the newest checkpoint of one training in one file.

    Args:
        path: of the file; named by what is learned, so that another training never takes it up.
        seconds_between: how much work a kill may cost.
    """

    def __init__(self, path: Path, seconds_between: float) -> None:
        self.path = path
        self._seconds_between = seconds_between
        self._kept_at = time.monotonic()

    def due(self) -> bool:
        """Whether the last one is old enough."""
        return time.monotonic() - self._kept_at >= self._seconds_between

    def keep(self, checkpoint: Checkpoint) -> None:
        """Write aside, fsync, rename."""
        tensors = {name: tensor.contiguous() for name, tensor in checkpoint.tensors.items()}
        write_atomically(self.path, save(tensors, {"progress": json.dumps(checkpoint.progress)}))
        self._kept_at = time.monotonic()

    def last(self) -> Checkpoint | None:
        """The one in the file, if there is a file.

        Raises:
            CheckpointError: the file is damaged.
        """
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                progress = json.loads((file.metadata() or {})["progress"])
                return Checkpoint({name: file.get_tensor(name) for name in file.keys()}, progress)  # noqa: SIM118
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise CheckpointError(
                f"{self.path}: not a whole checkpoint ({error}); remove it and start again"
            ) from error

    def remove(self) -> None:
        """The training is over, and its result is kept elsewhere."""
        self.path.unlink(missing_ok=True)
