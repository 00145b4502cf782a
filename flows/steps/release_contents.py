"""Everything a release holds besides its graphs, and what its manifest says of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from flows.steps.classification import describe_classifier
from flows.steps.datasets import Dataset
from flows.steps.drift.reference import Unseen, fit_cells, keep_reference
from flows.steps.evaluation import Networks, sample_indices, sample_rows
from flows.steps.latent import (
    calibrate,
    latent_statistics,
    planar_map,
    squared_errors,
)
from flows.steps.onnx_export import OPSET
from flows.steps.phases import Phase
from flows.steps.report.release_pictures import release_pictures
from flows.steps.report.stored import store_pictures
from flows.steps.sampling_contents import describe_sampling
from flows.steps.source_code import source_code
from models.recipe import Recipe
from models.sampling import Density, fit_density
from service.density import Spread
from service.release.home import MODEL_NAME
from service.release.manifest import Code, CodeLayer, Data, Golden, Input, Manifest, Reference
from service.release.manifest import Density as DescribedDensity

_GOLDEN_ROWS = 16
_REFERENCE_ROWS = 2_000
_CODED_ROWS = 20_000
# Other processors and GPUs add up in another order: this much of a code's or sample's range is rounding.
_TOLERANCE = 1e-4
_LIBRARIES = ("torch", "torchvision", "onnx", "onnxruntime-gpu", "onnxruntime", "prefect", "bentoml", "numpy")


@dataclass(frozen=True)
class Lineage:
    """Where a release comes from, as only the caller knows."""

    version: str
    created: str
    parent: str | None
    flow_run: str | None


def space_of(encoder: Path) -> str:
    """The id of the coordinate system that an encoder maps to: equal bytes, equal space."""
    return hashlib.sha256(encoder.read_bytes()).hexdigest()[:16]


def complete_release(
    folder: Path,
    dataset: Dataset,
    recipe: Recipe,
    scale: tuple[float, ...],
    lineage: Lineage,
    phases: Mapping[str, Phase],
) -> Manifest:
    """Add golden batch, density, spread of the codes and reference to a folder that holds the graphs.

    All of it is computed through the service's own ONNX Runtime sessions: what is measured is what is served.

    Args:
        folder: a draft with `encoder.onnx`, `decoder.onnx` and perhaps `classifier.onnx`.
        dataset: what was learned from.
        recipe: what was trained.
        scale: what one unit of reconstruction error is, one number or one a feature.
        lineage: version, time, parent, flow run.
        phases: what each phase of the training said of itself.

    Returns:
        The manifest, still without figures and without the digests of the files.
    """
    networks = Networks.open(folder)
    chosen = sample_indices(dataset, "train", recipe.seed, _CODED_ROWS)
    rows = dataset.rows("train")[chosen].astype(np.float32)
    codes = networks.encode(rows)
    density = fit_density(codes, recipe.seed)
    _save_density(density, folder / "density")
    spread = Spread.of(codes)
    (folder / "latent").mkdir()
    # Its mean is in the manifest: latent.mean.
    np.save(folder / "latent" / "cholesky.npy", spread.cholesky, allow_pickle=False)
    validation = sample_rows(dataset, "validation", recipe.seed, _CODED_ROWS)
    validation_codes = networks.encode(validation)
    errors = squared_errors(validation, networks.decode(validation_codes), scale)
    calibration = calibrate(errors, spread.distances(validation_codes), "validation")
    labels = dataset.labels("train")
    cells = fit_cells(codes, None if labels is None else labels[chosen], spread, recipe.seed)
    keep_reference(folder, spread, cells, Unseen(validation_codes, errors, calibration))
    record = dataset.record
    golden = _save_golden(networks, sample_rows(dataset, "test", recipe.seed, _GOLDEN_ROWS), folder / "golden")
    return Manifest(
        name=MODEL_NAME,
        version=lineage.version,
        space_id=space_of(folder / "encoder.onnx"),
        created=lineage.created,
        kind=recipe.kind,
        recipe=recipe.model_dump(mode="json"),
        seed=recipe.seed,
        input=Input(
            kind=record.kind,
            shape=record.shape,
            stored_dtype=record.dtype,
            minimum=record.value_range[0],
            maximum=record.value_range[1],
            scale=scale,
            columns=record.columns,
        ),
        code=Code(size=codes.shape[1], layers=_layers(recipe, networks, rows[:1])),
        data=Data(
            source=record.source,
            fingerprint=record.fingerprint,
            rows={str(split): rows for split, rows in record.rows.items()},
            dropped=record.dropped,
            label_names=record.label_names,
        ),
        metrics=(),
        latent=latent_statistics(codes),
        density=DescribedDensity(components=len(density.weights), fitted_rows=density.fitted_rows),
        calibration=calibration,
        golden=golden,
        reference=_save_reference(dataset, chosen, rows, codes, folder / "reference"),
        sampling=describe_sampling(folder, dataset, recipe, density, rows, codes),
        classifier=describe_classifier(folder, dataset),
        precisions={name: phase.precision for name, phase in phases.items()},
        contraction_forms={name: phase.penalty for name, phase in phases.items() if phase.penalty is not None},
        opset=OPSET,
        versions={name: version for name in _LIBRARIES if (version := _version(name))},
        source_code=source_code(),
        parent=lineage.parent,
        flow_run=lineage.flow_run,
    )


def draw_figures(folder: Path, manifest: Manifest) -> None:
    """Put the pictures that need nothing but the release into a complete draft's `figures/`."""
    store_pictures(release_pictures(folder, manifest), folder / "figures")


def _layers(recipe: Recipe, networks: Networks, row: Float32[np.ndarray, "one ..."]) -> tuple[CodeLayer, ...]:
    last = len(recipe.layers)
    outputs = [f"code_{depth}" for depth in range(1, last)] + ["z"]
    return tuple(
        CodeLayer(name=f"layer_{depth}", kind=layer.kind, width=networks.encode(row, output).shape[1])
        for depth, (layer, output) in enumerate(zip(recipe.layers, outputs, strict=True), start=1)
    )


def _save_density(density: Density, folder: Path) -> None:
    folder.mkdir()
    for name in ("weights", "means", "cholesky"):
        np.save(folder / f"{name}.npy", getattr(density, name), allow_pickle=False)


def _save_golden(networks: Networks, x: Float32[np.ndarray, "rows ..."], folder: Path) -> Golden:
    z = networks.encode(x)
    reconstruction = networks.decode(z)
    folder.mkdir()
    for name, array in (("x", x), ("z", z), ("reconstruction", reconstruction)):
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    return Golden(
        rows=len(x),
        code_tolerance=_TOLERANCE * max(1.0, float(np.ptp(z))),
        output_tolerance=_TOLERANCE * max(1.0, float(np.ptp(reconstruction))),
    )


def _save_reference(
    dataset: Dataset,
    chosen: np.ndarray,
    rows: Float32[np.ndarray, "rows ..."],
    codes: Float32[np.ndarray, "rows code"],
    folder: Path,
) -> Reference:
    kept = np.linspace(0, len(chosen) - 1, min(_REFERENCE_ROWS, len(chosen))).astype(np.int64)
    points, kind = planar_map(codes[kept])
    arrays = {"rows": rows[kept].astype(dataset.record.dtype), "codes": codes[kept], "map": points}
    if (labels := dataset.labels("train")) is not None:
        arrays["labels"] = labels[chosen[kept]]
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    return Reference(rows=len(kept), map=kind)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
