"""What a release states about itself: `manifest.json`, schema version 1.

docs/release.md describes the format for people; this module is what readers and writers share.
"""

from __future__ import annotations

import hashlib
import math
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator

from service.release.errors import ManifestError
from service.release.part import Part
from service.release.sampling import Sampling
from service.release.variants import Variant
from service.release.verdict import Verdict

SCHEMA_VERSION: Final = 1
MANIFEST_FILE = "manifest.json"
MANIFEST_DIGEST_FILE = "manifest.sha256"

# Of an image: RGB and opacity.
_MOST_CHANNELS = 4
ContractionForm = Literal["closed", "exact", "probe"]


class Input(Part):
    """One row of the user's data, in its own units."""

    kind: Literal["image", "vector"]
    shape: tuple[int, ...] = Field(
        description="(features,), (height, width) for grey, or (height, width, channels): 2 grey and opacity, 3 RGB, "
        "4 RGB and opacity"
    )
    stored_dtype: str = Field(description="how the dataset keeps a row, for example uint8")
    minimum: float = Field(description="least value seen in training, or the type's own for images")
    maximum: float
    scale: tuple[float, ...] = Field(
        default=(1.0,), description="what one unit of reconstruction error is: one number, or one a feature"
    )
    columns: tuple[str, ...] | None = Field(default=None, description="names of a table's columns, in order")

    @model_validator(mode="after")
    def _is_one_row(self) -> Self:
        rank = len(self.shape)
        fits = rank == 1 if self.kind == "vector" else rank == 2 or (rank == 3 and self.shape[2] <= _MOST_CHANNELS)
        if not fits or min(self.shape) < 1:
            raise ValueError(f"shape {self.shape} came, that of one {self.kind} expected")
        if len(self.scale) not in (1, math.prod(self.shape)) or min(self.scale) <= 0:
            raise ValueError("scale is one number above 0, or one a feature")
        return self


class CodeLayer(Part):
    """One greedy layer; `depth` k in a request means the code of layer k, counted from 1."""

    name: str
    kind: str
    width: int = Field(description="features of this layer's code, flattened")


class Code(Part):
    size: int
    layers: tuple[CodeLayer, ...]


class Data(Part):
    source: str
    fingerprint: str
    rows: dict[str, int] = Field(description="rows by split: train, validation, test")
    dropped: dict[str, int] = Field(default_factory=dict, description="rows left out, by reason")
    label_names: tuple[str, ...] | None = None


class Metric(Part):
    """A figure with all that is needed to compare it: what, on which split, over how many rows, how sure."""

    name: str
    value: float
    unit: str
    split: str
    rows: int
    better: Literal["lower", "higher", "neither"]
    interval: tuple[float, float] | None = Field(
        default=None, description="(low, high) around the true value; None where rows are too few, or nothing is drawn"
    )
    confidence: float | None = Field(default=None, gt=0, lt=1, description="how sure the interval is")
    method: str | None = Field(default=None, description="how value and interval were found, for people")

    @model_validator(mode="after")
    def _interval_is_whole(self) -> Metric:
        if (self.interval is None) != (self.confidence is None):
            raise ValueError("interval and confidence come together")
        if self.interval is not None and self.interval[0] > self.interval[1]:
            raise ValueError("an interval goes from low to high")
        return self


class Curve(Part):
    """A figure at several points, each the mean over rows, such as the singular values of J by rank."""

    name: str
    at_name: str = Field(description="what the points are: rank, radius")
    at: tuple[float, ...] = Field(min_length=1, description="the points, ascending")
    values: tuple[float, ...]
    low: tuple[float, ...] | None = Field(default=None, description="ends of each point's own interval")
    high: tuple[float, ...] | None = None
    unit: str
    split: str
    rows: int
    confidence: float | None = Field(default=None, gt=0, lt=1)
    method: str | None = None

    @model_validator(mode="after")
    def _one_value_a_point(self) -> Curve:
        given = [row for row in (self.values, self.low, self.high) if row is not None]
        if any(len(row) != len(self.at) for row in given):
            raise ValueError("a curve has as many values and ends as points")
        if len({self.low is None, self.high is None, self.confidence is None}) > 1:
            raise ValueError("low, high and confidence come together")
        return self


class Latent(Part):
    """Statistics of the training codes, one value a code dimension."""

    mean: tuple[float, ...]
    standard_deviation: tuple[float, ...]
    minimum: tuple[float, ...]
    maximum: tuple[float, ...]


class Density(Part):
    """A Gaussian mixture fitted to the training codes; its arrays are in `density/`."""

    kind: Literal["gaussian_mixture"] = "gaussian_mixture"
    components: int
    fitted_rows: int


class Calibration(Part):
    """Quantiles over the validation split, at evenly spaced probabilities from 0 to 1."""

    split: str
    rows: int = Field(ge=1)
    reconstruction_error: tuple[float, ...] = Field(
        min_length=2, description="squared error per row, scaled units, summed"
    )
    latent_distance: tuple[float, ...] = Field(
        min_length=2, description="Mahalanobis distance to the training codes' mean, in their covariance"
    )

    @model_validator(mode="after")
    def _quantiles_ascend(self) -> Self:
        for name in ("reconstruction_error", "latent_distance"):
            if any(low > high for low, high in pairwise(getattr(self, name))):
                raise ValueError(f"the quantiles of {name} do not ascend")
        return self


class Golden(Part):
    """A batch with its expected answers (`golden/*.npy`): ready means that the device reproduces it."""

    rows: int
    code_tolerance: float = Field(description="largest absolute difference of a code")
    output_tolerance: float = Field(description="largest absolute difference of a sample, in the data's own units")


class SourceCode(Part):
    """The code that made a release."""

    package: str = Field(description="this package's version")
    commit: str | None = Field(default=None, description="of git, where it ran from a checkout")
    changed: bool | None = Field(default=None, description="whether files of it differed from the commit")


class Reference(Part):
    """A bounded sample of training rows (`reference/*.npy`), for neighbours and the page."""

    rows: int
    map: Literal["code", "pca"] = Field(description="what the 2-D coordinates are")


class Classifier(Part):
    """What `classifier.onnx` answers, and how far it can be trusted; a release need not have one."""

    classes: int = Field(ge=2, description="probabilities of one row, which add up to 1")
    label_names: tuple[str, ...] = Field(description="what each probability is of, in order")
    metric: str | None = Field(
        default=None,
        description="the name of the metric that says how often the likeliest label is wrong; None: not measured",
    )
    tolerance: float = Field(ge=0, description="largest absolute difference of a probability of the golden batch")

    @model_validator(mode="after")
    def _every_class_has_a_name(self) -> Self:
        if len(self.label_names) != self.classes:
            raise ValueError(f"{len(self.label_names)} label names came, {self.classes} expected, one a class")
        return self


class Manifest(Part):
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
    curves: tuple[Curve, ...] = Field(default=(), description="figures by rank or radius")
    latent: Latent
    density: Density
    calibration: Calibration
    golden: Golden
    reference: Reference
    sampling: Sampling | None = Field(default=None, description="None: a release of before, from its density only")
    classifier: Classifier | None = Field(default=None, description="where supervised fine-tuning made one")
    precisions: dict[str, Literal["float32", "tf32", "bfloat16"]] | None = Field(
        default=None, description="phase of training -> what its matrix products were in; None: a release of before"
    )
    contraction_forms: dict[str, ContractionForm] | None = Field(
        default=None,
        description="phase of training -> how its analytic contraction penalty was computed: in closed form, exactly "
        "by a product a code unit, or by a random probe a row; None: a release of before",
    )
    gate: Verdict | None = Field(
        default=None, description="how it compared with the champion when it was made; None: it was not compared"
    )
    variants: tuple[Variant, ...] = Field(default=(), description="of encoder and decoder, where the recipe asked")
    opset: int
    versions: dict[str, str] = Field(description="library -> version, of the machine that made the release")
    source_code: SourceCode | None = Field(default=None, description="None: a release of before")
    parent: str | None = Field(default=None, description="the champion when this release was made")
    flow_run: str | None = None
    files: dict[str, str] = Field(default_factory=dict, description="path below the release -> sha256")

    @model_validator(mode="after")
    def _parts_fit_each_other(self) -> Self:
        if self.sampling is not None and len(self.sampling.shift) not in (1, math.prod(self.input.shape)):
            raise ValueError("sampling.shift is one number, or one a feature")
        if len({variant.name for variant in self.variants}) != len(self.variants):
            raise ValueError("two variants have the same name")
        measured = None if self.classifier is None else self.classifier.metric
        if measured is not None and measured not in {metric.name for metric in self.metrics}:
            raise ValueError(f"classifier.metric is {measured}, which is none of metrics")
        return self

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
