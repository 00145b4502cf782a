"""Where training keeps what it has finished: folders named by what they were made from.

A folder appears by a rename, so one that exists is complete. Killed anywhere and started again, a run finds the
folders of all that it had finished, and beside the one it was making a checkpoint to go on from. See
docs/decisions/0004.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from flows.steps.checkpoints import CheckpointFile
from flows.steps.errors import FlowError
from flows.steps.places import checkpoint_seconds
from models.errors import TrainingDivergedError
from models.precision import multiplies_bfloat16
from service.release.atomic import folder_in_one_step
from service.release.drafts import is_held, remove_abandoned

WEIGHTS_FILE = "weights.safetensors"
_FORMAT = 3

# A checkpoint is named by what is learned: another learning rate is another training.
_WHAT_FOR = (
    "weights and optimiser from before that, to look into: the same recipe would go on from there and diverge again, "
    "one with another learning rate starts this training anew"
)


class TrainingStateError(FlowError):
    """The result of a finished step cannot be read; the message names the folder to remove."""


def training_device() -> str:
    """`cuda` where torch has it, else `cpu`."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def training_key(step: str, made_from: dict[str, Any]) -> str:
    """The name of the folder of a step that learns: also by whether this machine multiplies bfloat16 itself, on which
    `precision: auto` depends."""
    return state_key(step, {"bfloat16": multiplies_bfloat16(training_device())} | made_from)


def state_key(step: str, made_from: dict[str, Any]) -> str:
    """The name of a step's folder: the same for the same inputs, libraries and format.

    Args:
        step: a short name for people.
        made_from: all that the result depends on, JSON-able.
    """
    described = {
        "format": _FORMAT,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "device": training_device(),
    } | made_from
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
    return f"{step}-{digest[:24]}"


def checkpoint_of(home: Path, key: str) -> CheckpointFile:
    """Where the training that makes a step's folder keeps how far it is."""
    return CheckpointFile(home / "training" / f"{key}.checkpoint", checkpoint_seconds())


def finished(home: Path, key: str, make: Callable[[Path], None]) -> tuple[Path, bool]:
    """The folder of a step, made now unless it is there.

    Args:
        home: `MANIFOLD_HOME`.
        key: from `state_key`.
        make: writes the step's files into the folder it is given.

    Returns:
        The folder, and whether it was there already.

    Raises:
        TrainingDivergedError: from `make`; the message names the checkpoint that is kept, too.
    """
    folder = home / "training" / key
    checkpoint = checkpoint_of(home, key)
    # Killed, a run leaves what it was writing: a folder, or a checkpoint.
    remove_abandoned(folder)
    if folder.is_dir():
        # Used just now: pruning keeps what is in use.
        os.utime(folder)
        # Killed between its rename and this line, a run would leave it.
        checkpoint.remove()
        return folder, True
    try:
        with folder_in_one_step(folder) as draft:
            make(draft)
    except TrainingDivergedError as error:
        there = checkpoint.path.exists()
        kept = f"the last good checkpoint is {checkpoint.path}, {_WHAT_FOR}" if there else "no checkpoint was due yet"
        raise TrainingDivergedError(f"{error}; {kept}") from error
    checkpoint.remove()
    return folder, False


def save_weights(state: dict[str, torch.Tensor], folder: Path) -> None:
    """Write a state as `weights.safetensors`."""
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / WEIGHTS_FILE)


def load_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Read a state back.

    Raises:
        TrainingStateError: the file is missing or damaged.
    """
    try:
        return load_file(folder / WEIGHTS_FILE)
    except (OSError, SafetensorError) as error:
        raise TrainingStateError(f"{folder / WEIGHTS_FILE}: {error}; remove {folder} and start again") from error


def prune_training(home: Path, *, now: datetime, unused_for: timedelta) -> list[str]:
    """Remove the folders, checkpoints and drafts that no run has used for so long; their names."""
    oldest = (now - unused_for).timestamp()
    removed = []
    for path in sorted((home / "training").glob("*")):
        # A training under way finishes some of these, and removes others, meanwhile.
        with suppress(FileNotFoundError):
            # A layer may take longer, and its draft is touched at the beginning and at the end.
            if path.stat().st_mtime >= oldest or (path.name.startswith(".") and is_held(path)):
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            removed.append(path.name)
    return removed
