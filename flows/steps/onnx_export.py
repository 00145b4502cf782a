"""Encoder, decoder and classifier as ONNX, each one file, checked against torch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import torch
from jaxtyping import Float32
from torch import nn

from flows.steps.errors import FlowError
from models.classifier import Classifier
from models.encoder_decoder import Decoder, Encoder, LabelProbabilities
from models.preprocessing import Preprocessing
from models.stack import Stack
from service.sessions import open_session, run_session

OPSET = 20
_CHECKED_BATCHES = (1, 7)
# In the data's own units, for data that spans up to 10. Rounding grows with the units: pixels of 0 to 255 that torch
# computes in float32 are already 5e-4 from what it computes in float64.
_LARGEST_DIFFERENCE = 1e-4
_LARGEST_SHARE_OF_RANGE = 1e-5


class ExportError(FlowError):
    """An exported graph is not what torch computes; nothing of it is kept."""


def export_networks(
    preprocessing: Preprocessing, stack: Stack, rows: Float32[np.ndarray, "rows ..."], folder: Path
) -> float:
    """Write `encoder.onnx` and `decoder.onnx`, and compare them with torch at batch 1 and 7.

    Args:
        preprocessing: becomes part of both graphs.
        stack: trained, on the CPU.
        rows: at least 7 real rows in the data's own units, to compare with.
        folder: where the files go.

    Returns:
        The largest difference of a reconstruction, in the data's own units.

    Raises:
        ExportError: a graph, given what torch was given, differs by more than 1e-4, or by more than a 100,000th of the
            data's range where that is larger.
    """
    encoder, decoder = Encoder(preprocessing, stack).eval(), Decoder(preprocessing, stack).eval()
    inner = [f"code_{depth}" for depth in range(1, len(stack.pairs))]
    x = torch.from_numpy(rows[:2].copy())
    with torch.no_grad():
        z = encoder(x)[0]
    export_graph(encoder, {"x": x}, ["z", *inner], folder / "encoder.onnx")
    export_graph(decoder, {"z": z}, ["x"], folder / "decoder.onnx")
    return max(_compare(encoder, decoder, rows[:size], folder) for size in _CHECKED_BATCHES)


def export_classifier(
    preprocessing: Preprocessing, classifier: Classifier, rows: Float32[np.ndarray, "rows ..."], folder: Path
) -> float:
    """Write `classifier.onnx`, from rows to probabilities, and compare it with torch at batch 1 and 7.

    Args:
        preprocessing: becomes part of the graph, as the softmax does.
        classifier: trained, on the CPU.
        rows: at least 7 real rows in the data's own units, to compare with.
        folder: where the file goes.

    Returns:
        The largest difference of a probability.

    Raises:
        ExportError: the graph, given what torch was given, differs by more than 1e-4.
    """
    module = LabelProbabilities(preprocessing, classifier).eval()
    path = folder / "classifier.onnx"
    export_graph(module, {"x": torch.from_numpy(rows[:2].copy())}, ["p"], path)
    session = open_session(path, "cpu", 1)
    largest = 0.0
    for size in _CHECKED_BATCHES:
        with torch.no_grad():
            expected = module(torch.from_numpy(rows[:size].copy())).numpy()
        found = run_session(session, "x", "p", rows[:size])
        check_difference(path.name, found, expected)
        largest = max(largest, float(np.abs(found - expected).max()))
    return largest


def export_graph(module: nn.Module, examples: dict[str, torch.Tensor], outputs: list[str], path: Path) -> None:
    """Write one module as ONNX: one file, dynamic batch.

    Args:
        module: in evaluation mode.
        examples: its arguments by name, in their order, each of two rows.
        outputs: what its results are called, in their order.
        path: of the file.

    Raises:
        ExportError: torch exported nothing.
    """
    batch = torch.export.Dim("batch")
    with _quiet_exporter():
        program = torch.onnx.export(
            module,
            tuple(examples.values()),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(examples),
            output_names=outputs,
            dynamic_shapes=tuple({0: batch} for _ in examples),
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise ExportError(f"{path.name}: torch exported nothing")
    model = program.model_proto
    # Traces of the machine that exported, of no use to a reader, and different each time.
    for node in model.graph.node:
        del node.metadata_props[:]
    del model.graph.metadata_props[:]
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _compare(encoder: Encoder, decoder: Decoder, rows: Float32[np.ndarray, "rows ..."], folder: Path) -> float:
    with torch.no_grad():
        z = encoder(torch.from_numpy(rows.copy()))[0]
        rebuilt = decoder(z).numpy()
    code = run_session(open_session(folder / "encoder.onnx", "cpu", 1), "x", "z", rows)
    answer = run_session(open_session(folder / "decoder.onnx", "cpu", 1), "z", "x", z.numpy())
    for what, found, expected in (("encoder", code, z.numpy()), ("decoder", answer, rebuilt)):
        check_difference(f"{what}.onnx", found, expected)
    return float(np.abs(answer - rebuilt).max())


def check_difference(name: str, found: np.ndarray, expected: np.ndarray) -> None:
    """Nothing, if what a graph found is what torch computed.

    Raises:
        ExportError: it differs by more than rounding does.
    """
    largest = float(np.abs(found - expected).max())
    allowed = max(_LARGEST_DIFFERENCE, _LARGEST_SHARE_OF_RANGE * float(np.ptp(expected)))
    # Written so that NaN fails.
    if not largest <= allowed:
        raise ExportError(
            f"{name} differs from torch by {largest:.3g} at batch {len(expected)}, {allowed:.3g} is allowed"
        )


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """The exporter's own notes are about its insides; what matters is checked afterwards."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
