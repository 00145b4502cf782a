"""What a release states about itself: `manifest.json`, schema version 1.

docs/release.md describes the format for people; this module is what readers and writers share.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.release.errors import ManifestError

SCHEMA_VERSION: Final = 1
MANIFEST_FILE = "manifest.json"
MANIFEST_DIGEST_FILE = "manifest.sha256"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Input(_Part):
    """One row of the user's data, in its own units."""

    kind: Literal["image", "vector"]
    shape: tuple[int, ...] = Field(description="(height, width), (height, width, 3) or (features,)")
    stored_dtype: str = Field(description="how the dataset keeps a row, for example uint8")
    minimum: float = Field(description="least value seen in training, or the type's own for images")
    maximum: float
    scale: tuple[float, ...] = Field(
        default=(1.0,), description="what one unit of reconstruction error is: one number, or one a feature"
    )
    columns: tuple[str, ...] | None = Field(default=None, description="names of a table's columns, in order")


class CodeLayer(_Part):
    """One greedy layer; `depth` k in a request means the code of layer k, counted from 1."""

    name: str
    kind: str
    width: int = Field(description="features of this layer's code, flattened")


class Code(_Part):
    size: int
    layers: tuple[CodeLayer, ...]


class Data(_Part):
    source: str
    fingerprint: str
    rows: dict[str, int] = Field(description="rows by split: train, validation, test")
    dropped: dict[str, int] = Field(default_factory=dict, description="rows left out, by reason")
    label_names: tuple[str, ...] | None = None


class Metric(_Part):
    """A figure with all that is needed to compare it: what, on which split, over how many rows."""

    name: str
    value: float
    unit: str
    split: str
    rows: int
    better: Literal["lower", "higher"]


class Latent(_Part):
    """Statistics of the training codes, one value a code dimension."""

    mean: tuple[float, ...]
    standard_deviation: tuple[float, ...]
    minimum: tuple[float, ...]
    maximum: tuple[float, ...]


class Density(_Part):
    """A Gaussian mixture fitted to the training codes; its arrays are in `density/`."""

    kind: Literal["gaussian_mixture"] = "gaussian_mixture"
    components: int
    fitted_rows: int


class Calibration(_Part):
    """Quantiles over the validation split, at evenly spaced probabilities from 0 to 1."""

    split: str
    rows: int
    reconstruction_error: tuple[float, ...] = Field(description="squared error per row, scaled units, summed")
    latent_distance: tuple[float, ...] = Field(description="Mahalanobis distance to the training codes")


class Golden(_Part):
    """A batch with its expected answers (`golden/*.npy`): ready means that the device reproduces it."""

    rows: int
    code_tolerance: float = Field(description="largest absolute difference of a code")
    output_tolerance: float = Field(description="largest absolute difference of a sample, in the data's own units")


class Reference(_Part):
    """A bounded sample of training rows (`reference/*.npy`), for neighbours and the page."""

    rows: int
    map: Literal["code", "pca"] = Field(description="what the 2-D coordinates are")


class Classifier(_Part):
    """What `classifier.onnx` answers, and how far it can be trusted; a release need not have one."""

    classes: int = Field(ge=2, description="probabilities of one row, which add up to 1")
    label_names: tuple[str, ...] = Field(description="what each probability is of, in order")
    metric: str = Field(description="the name of the metric that says how often the likeliest label is wrong")
    tolerance: float = Field(ge=0, description="largest absolute difference of a probability of the golden batch")

    @model_validator(mode="after")
    def _every_class_has_a_name(self) -> Self:
        if len(self.label_names) != self.classes:
            raise ValueError(f"{len(self.label_names)} label names came, {self.classes} expected, one a class")
        return self


class Manifest(_Part):
    """Everything a reader must know of a release. Immutable, like the release."""

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str
    version: str = Field(pattern=r"^[a-z0-9]([-._a-z0-9]*[a-z0-9])?$")
    space_id: str = Field(description="names the coordinate system of the code")
    created: str = Field(description="UTC, ISO 8601")
    kind: str
    recipe: dict[str, Any]
    seed: int
    input: Input
    code: Code
    data: Data
    metrics: tuple[Metric, ...]
    latent: Latent
    density: Density
    calibration: Calibration
    golden: Golden
    reference: Reference
    classifier: Classifier | None = Field(default=None, description="where supervised fine-tuning made one")
    opset: int
    versions: dict[str, str] = Field(description="library -> version, of the machine that made the release")
    parent: str | None = Field(default=None, description="the champion when this release was made")
    flow_run: str | None = None
    files: dict[str, str] = Field(default_factory=dict, description="path below the release -> sha256")

    def to_bytes(self) -> bytes:
        """The exact bytes of `manifest.json`."""
        return self.model_dump_json(indent=2).encode() + b"\n"


def read_manifest(folder: Path) -> Manifest:
    """Read a release's manifest and check it against its own digest.

    Raises:
        ManifestError: it is missing, changed since publishing, or of another schema.
    """
    try:
        content = (folder / MANIFEST_FILE).read_bytes()
        stated = (folder / MANIFEST_DIGEST_FILE).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"release {folder.name}: its manifest cannot be read ({error})") from error
    found = hashlib.sha256(content).hexdigest()
    if found != stated:
        raise ManifestError(
            f"release {folder.name}: {MANIFEST_FILE} has sha256 {found}, {MANIFEST_DIGEST_FILE} says {stated}"
        )
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ManifestError(f"release {folder.name}: {MANIFEST_FILE}: {field}: {first['msg']}") from error
