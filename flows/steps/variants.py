"""Variants of a release's networks in fewer bits, and how many neighbours each keeps.

int8 is static: the ranges of what each layer takes in are those of training rows. Ranges found anew for each run would
be those of a batch, so that a row's code would depend on whose rows it was run with. See docs/decisions/0016.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from flows.steps.datasets import Dataset
from flows.steps.evaluation import Networks, sample_rows
from flows.steps.onnx_export import ExportError
from models.measures.neighbourhoods import NEIGHBOURS, neighbour_agreement
from models.recipe import Recipe
from service.release.manifest import Manifest
from service.release.variants import ReducedVariant, Variant
from service.runtime import networks_folder

_NETWORKS = {"encoder": "x", "decoder": "z"}
_RANGE_ROWS = 512
_RANGE_BATCH = 64
_HELD_OUT_ROWS = 1_000
# The same rows for every release of a dataset.
_SAMPLE_SEED = 0


def store_variants(draft: Path, manifest: Manifest, dataset: Dataset, recipe: Recipe) -> tuple[Variant, ...]:
    """Write the variants that a recipe asks for into a draft, and measure what each loses.

    Args:
        draft: a complete release, as yet without variants.
        manifest: what it states.
        dataset: training rows give the ranges of int8, test rows are what neighbours are counted of.
        recipe: which variants, and the bound that is written beside their figures.

    Raises:
        ExportError: a graph cannot be converted, or there are too few test rows to have neighbours.
        ModelError: ONNX Runtime cannot run a variant.
    """
    if not recipe.export.variants:
        return ()
    exact = Networks.open(draft)
    x = sample_rows(dataset, "train", _SAMPLE_SEED, _RANGE_ROWS)
    rows = {"encoder": x, "decoder": exact.encode(x)}
    held_out = sample_rows(dataset, "test", _SAMPLE_SEED, _HELD_OUT_ROWS)
    if len(held_out) < 2:
        raise ExportError(f"export.variants: {len(held_out)} test rows came, neighbours expect at least 2")
    return tuple(_stored(name, draft, manifest, recipe, exact, rows, held_out) for name in recipe.export.variants)


def _stored(
    name: ReducedVariant,
    draft: Path,
    manifest: Manifest,
    recipe: Recipe,
    exact: Networks,
    rows: dict[str, np.ndarray],
    held_out: np.ndarray,
) -> Variant:
    at = networks_folder(draft, name)
    (at / "golden").mkdir(parents=True)
    for network, argument in _NETWORKS.items():
        graph = draft / f"{network}.onnx"
        converted = _int8(graph, argument, rows[network]) if name == "int8" else _float16(graph)
        onnx.checker.check_model(converted, full_check=True)
        (at / f"{network}.onnx").write_bytes(converted.SerializeToString(deterministic=True))
    variant = Networks.open(at)
    x = np.load(draft / "golden" / "x.npy")
    z = variant.encode(x)
    answers = {"z": z, "reconstruction": variant.decode(z)}
    # A device may be as far from the variant as the variant is from float32: rounding falls otherwise on each.
    apart = {}
    for what, answer in answers.items():
        np.save(at / "golden" / f"{what}.npy", answer, allow_pickle=False)
        apart[what] = float(np.abs(answer - np.load(draft / "golden" / f"{what}.npy")).max())
    codes, others = exact.encode(held_out), variant.encode(held_out)
    return Variant(
        name=name,
        neighbour_agreement=float(neighbour_agreement(codes, others, others).mean()),
        neighbour_agreement_among_float32=float(neighbour_agreement(codes, others, codes).mean()),
        neighbours=max(1, min(NEIGHBOURS, len(held_out) // 3)),
        split="test",
        rows=len(held_out),
        least_neighbour_agreement=recipe.export.least_neighbour_agreement,
        bytes=_size(at),
        float32_bytes=_size(draft),
        code_tolerance=max(manifest.golden.code_tolerance, apart["z"]),
        output_tolerance=max(manifest.golden.output_tolerance, apart["reconstruction"]),
    )


def _int8(graph: Path, argument: str, rows: np.ndarray) -> onnx.ModelProto:
    """Dense layers with 8 bits a weight and input; what they add up to stays float32, and so does all else."""
    folder = graph.parent / f"{graph.stem}-int8"
    folder.mkdir()
    to = folder / graph.name
    try:
        with _quiet_conversion():
            quantize_static(
                _without_inner_shapes(graph),
                to,
                _Batches(argument, rows),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["MatMul", "Gemm"],
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                extra_options={"OpTypesToExcludeOutputQuantization": ["MatMul", "Gemm"]},
            )
        model = onnx.load(to)
    finally:
        to.unlink(missing_ok=True)
        folder.rmdir()
    if all(node.op_type != "QuantizeLinear" for node in model.graph.node):
        raise ExportError(f"export.variants: {graph.name} has no dense layer to be stored as int8")
    del model.metadata_props[:]
    return model


def _float16(graph: Path) -> onnx.ModelProto:
    """All numbers in 16 bits inside; rows and codes come and go as float32."""
    with _quiet_conversion():
        model: onnx.ModelProto = convert_float_to_float16(_without_inner_shapes(graph), keep_io_types=True)
        OnnxModel(model).topological_sort()
    return model


def _without_inner_shapes(graph: Path) -> onnx.ModelProto:
    # Conversion changes layouts, and then takes the shapes of before for wrong.
    model = onnx.load(graph)
    del model.graph.value_info[:]
    return model


def _size(folder: Path) -> int:
    return sum((folder / f"{network}.onnx").stat().st_size for network in _NETWORKS)


class _Batches(CalibrationDataReader):  # type: ignore[misc]  # it has no types
    """Rows, some at a time, as the converter asks for them."""

    def __init__(self, argument: str, rows: np.ndarray) -> None:
        self._batches = iter(
            {argument: rows[start : start + _RANGE_BATCH]} for start in range(0, len(rows), _RANGE_BATCH)
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._batches, None)


@contextmanager
def _quiet_conversion() -> Iterator[None]:
    """The converters tell the root logger of steps that are not taken here."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
