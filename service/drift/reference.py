"""What a release's own rows look like together: `latent/drift.json`, written when it was made."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Self

from pydantic import Field, ValidationError, model_validator

from service.drift.windows import KeptSketch
from service.release.errors import ManifestError
from service.release.part import Part

DRIFT_FILE: Final = "latent/drift.json"
CELLS_FILE: Final = "latent/cells.npy"


class Reference(Part):
    """What the rows that a release answers are compared with."""

    split: str = Field(description="which rows, none of them learned from")
    sketch: KeptSketch
    groups: tuple[int, ...] = Field(description="of each cell, the group that it belongs to")
    labelled: bool = Field(description="whether a group is a label, by its index, or cells that run into each other")

    @model_validator(mode="after")
    def _one_group_a_cell(self) -> Self:
        if len(self.groups) != len(self.sketch.cells) or min(self.groups, default=0) < 0:
            raise ValueError("groups have one number a cell, 0 or more")
        return self


def read_reference(folder: Path) -> Reference | None:
    """What a release keeps to be compared with; None of a release of before.

    Raises:
        ManifestError: the file is there and cannot be read as that.
    """
    path = folder / DRIFT_FILE
    if not path.exists():
        return None
    try:
        return Reference.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ManifestError(f"release {folder.name}: {DRIFT_FILE} cannot be read: {error}") from error
