"""What each phase of training says of itself, kept beside its weights: precision, and how it contracted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from flows.steps.training_state import TrainingStateError
from models.contraction import PenaltyForm
from models.learning import Trained
from models.precision import Products

PHASES_FILE = "phases.json"


@dataclass(frozen=True)
class Phase:
    """One phase that trained.

    precision: of its matrix products.
    penalty: how its analytic contraction penalty was computed; None where it had none.
    """

    precision: Products
    penalty: PenaltyForm | None


Phases = dict[str, Phase]
"""`layer_1` ..., `fine_tuning`, `supervised_fine_tuning` -> what is said of it; only those that trained."""


def phase_of(name: str, trained: Trained) -> Phases:
    """A phase under its name, or nothing where it had no epochs."""
    return {name: Phase(trained.precision, trained.penalty)} if trained.reports else {}


def write_phases(phases: Mapping[str, Phase], folder: Path) -> None:
    """Keep them in the folder of a step."""
    described = {name: asdict(phase) for name, phase in phases.items()}
    (folder / PHASES_FILE).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")


def read_phases(*folders: Path) -> Phases:
    """All phases that these folders tell of, in their order.

    Raises:
        TrainingStateError: one tells of none, or is damaged.
    """
    found: Phases = {}
    for folder in folders:
        path = folder / PHASES_FILE
        try:
            found |= {name: Phase(**fields) for name, fields in json.loads(path.read_text("utf-8")).items()}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise TrainingStateError(f"{path}: {error}; remove {folder} and start again") from error
    return found
