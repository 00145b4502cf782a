"""What is written down about a dataset: `dataset.json`, and the settings that it was prepared with."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
RECORD_FILE = "dataset.json"

# Only these names: a record that was tampered with cannot point out of its folder.
_ArrayFile = Annotated[str, StringConstraints(pattern=r"^(labels_)?(train|validation|test)\.npy$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PrepareSettings(_Frozen):
    """How a source is split and how strict the checks are."""

    seed: int = Field(default=0, ge=0, description="decides which rows are held out")
    validation_fraction: float = Field(default=0.1, gt=0, le=0.4, description="share of rows for validation")
    test_fraction: float = Field(
        default=0.1,
        gt=0,
        le=0.4,
        description="share of rows for the test; not used where there is an official one",
    )
    skip_bad: bool = Field(default=False, description="drop and count bad rows and columns instead of refusing")
    label_column: str | None = Field(default=None, description="column of a table that holds the labels")
    minimum_rows: int = Field(default=50, ge=10, description="refuse a source with fewer good rows")


class Statistics(_Frozen):
    """Measures of the training split: one number for images (over all pixels), one a column for vectors.

    The deviation is the population's (divided by n), and 0 where a column happens to be constant in training.
    """

    minimum: tuple[float, ...]
    maximum: tuple[float, ...]
    mean: tuple[float, ...]
    standard_deviation: tuple[float, ...]


class FileRecord(_Frozen):
    """Size in bytes and sha256 (hexadecimal) of one file of the dataset."""

    size: int = Field(ge=0)
    sha256: str


class DatasetRecord(_Frozen):
    """All that is known of a dataset besides its rows."""

    schema_version: Literal[1] = 1
    source: str
    kind: Literal["image", "vector"]
    shape: tuple[int, ...] = Field(description="of one row: (height, width), (height, width, channels) or (columns,)")
    dtype: Literal["uint8", "float32"]
    value_range: tuple[float, float] = Field(description="what values can be (8-bit images) or were in training")
    columns: tuple[str, ...] | None = Field(description="names of a vector's entries, in order")
    label_names: tuple[str, ...] | None = Field(description="name of label 0, 1, ...")
    rows: dict[Split, int]
    statistics: Statistics
    dropped: dict[str, int] = Field(description="what skip_bad left out: problem -> how many")
    converted: dict[str, int] = Field(default_factory=dict, description="images read in another form -> how many")
    tolerated: dict[str, int] = Field(description="rows that repeat others and were kept: what -> how many")
    settings: PrepareSettings
    fingerprint: str
    files: dict[_ArrayFile, FileRecord]
