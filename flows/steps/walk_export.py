"""The Jacobian walk's step as ONNX, checked against torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32

from flows.steps.onnx_export import check_difference, export_graph
from models.chains import Walk
from models.preprocessing import Preprocessing
from models.stack import Stack
from service.sessions import open_session, run_graph

_CHECKED_BATCHES = (1, 7)
_SEED = 0


def export_walk(
    preprocessing: Preprocessing, stack: Stack, rows: Float32[np.ndarray, "rows ..."], folder: Path
) -> None:
    """Write `walk.onnx`, and compare it with torch at batch 1 and 7.

    Its inputs are `x`, in the data's own units, and `noise`, (batch, code); its outputs `next_x` and the code `z` that
    it was decoded from. J is never built: both products are written out as matrix products and convolutions.

    Args:
        preprocessing: becomes part of the graph.
        stack: trained, on the CPU.
        rows: at least 7 real rows in the data's own units, to compare with.
        folder: where the file goes.

    Raises:
        ExportError: the graph differs from torch by more than rounding does.
    """
    walk = Walk(preprocessing, stack).eval()
    generator = torch.Generator().manual_seed(_SEED)
    for size in _CHECKED_BATCHES:
        x = torch.from_numpy(rows[:size].copy())
        noise = torch.randn((size, stack.code_shape[0]), generator=generator)
        if not (folder / "walk.onnx").exists():
            examples = {"x": torch.from_numpy(rows[:2].copy()), "noise": noise.expand(2, -1)}
            export_graph(walk, examples, ["next_x", "z"], folder / "walk.onnx")
        with torch.no_grad():
            expected = walk(x, noise)
        session = open_session(folder / "walk.onnx", "cpu", 1)
        found = run_graph(session, {"x": x.numpy(), "noise": noise.numpy()}, ("next_x", "z"))
        for answer, right in zip(found, expected, strict=True):
            check_difference("walk.onnx", answer, right.numpy())
