"""What each phase of training says of itself, from the folder of its step to the manifest."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.steps.phases import PHASES_FILE, Phase, phase_of, read_phases, write_phases
from flows.steps.training_state import TrainingStateError
from models.learning import EpochReport, Trained

_REPORT = EpochReport(layer=0, epoch=1, epochs=1, loss=1.0, validation_loss=1.0)


def test_phases_of_several_folders_come_back_together(tmp_path: Path) -> None:
    phases = {"layer_1": Phase("bfloat16", "closed"), "fine_tuning": Phase("tf32", None)}
    for name, phase in phases.items():
        (tmp_path / name).mkdir()
        write_phases({name: phase}, tmp_path / name)
    assert read_phases(*(tmp_path / name for name in phases)) == phases


def test_a_phase_without_epochs_says_nothing() -> None:
    assert phase_of("layer_1", Trained({}, (_REPORT,), "float32", "exact")) == {"layer_1": Phase("float32", "exact")}
    assert phase_of("layer_1", Trained({}, (), "float32", "exact")) == {}


@pytest.mark.parametrize("text", [None, "", "[]", '{"layer_1": {}}', '{"layer_1": 3}'])
def test_a_folder_that_tells_of_none_or_is_damaged_is_named(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / PHASES_FILE).write_text(text)
    with pytest.raises(TrainingStateError, match=rf"{PHASES_FILE}: .*; remove {tmp_path} and start again"):
        read_phases(tmp_path)
