"""A tiny network as ONNX, node by node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from tests.service.tiny import Tiny


def encoder_graph(tiny: Tiny) -> onnx.ModelProto:
    """Rows to codes, and the inner ones."""
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "inner"], ["sum"]),
        helper.make_node("Tanh", ["sum"], ["code_1"]),
        helper.make_node("MatMul", ["code_1", "outer"], ["z"]),
    ]
    outputs = {"z": [2], "code_1": [3]}
    return _model(nodes, {"x": list(tiny.shape)}, outputs, {"inner": tiny.inner, "outer": tiny.outer})


def classifier_graph(tiny: Tiny) -> onnx.ModelProto:
    """Rows to probabilities."""
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "inner"], ["sum"]),
        helper.make_node("Tanh", ["sum"], ["code"]),
        helper.make_node("MatMul", ["code", "head"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["p"], axis=1),
    ]
    constants = {"inner": tiny.inner, "head": tiny.head}
    return _model(nodes, {"x": list(tiny.shape)}, {"p": [tiny.head.shape[1]]}, constants)


def decoder_graph(tiny: Tiny) -> onnx.ModelProto:
    """Codes to rows."""
    nodes = [
        helper.make_node("MatMul", ["z", "back"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["x"]),
    ]
    constants = {"back": tiny.back, "shape": np.array([-1, *tiny.shape], np.int64)}
    return _model(nodes, {"z": [2]}, {"x": list(tiny.shape)}, constants)


def walk_graph(tiny: Tiny) -> onnx.ModelProto:
    """One step of the Jacobian walk."""
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "inner"], ["sum"]),
        helper.make_node("Tanh", ["sum"], ["code_1"]),
        helper.make_node("MatMul", ["code_1", "outer"], ["code"]),
        helper.make_node("Mul", ["code_1", "code_1"], ["square"]),
        helper.make_node("Sub", ["one", "square"], ["slope"]),
        helper.make_node("MatMul", ["noise", "outer_back"], ["pulled"]),
        helper.make_node("Mul", ["pulled", "slope"], ["pulled_slope"]),
        helper.make_node("MatMul", ["pulled_slope", "gram"], ["pushed"]),
        helper.make_node("Mul", ["pushed", "slope"], ["pushed_slope"]),
        helper.make_node("MatMul", ["pushed_slope", "outer"], ["moved"]),
        helper.make_node("Add", ["code", "moved"], ["z"]),
        helper.make_node("MatMul", ["z", "back"], ["flat_x"]),
        helper.make_node("Reshape", ["flat_x", "shape"], ["next_x"]),
    ]
    constants = {
        "inner": tiny.inner,
        "outer": tiny.outer,
        "outer_back": np.ascontiguousarray(tiny.outer.T),
        "gram": tiny.inner.T @ tiny.inner,
        "one": np.ones((), np.float32),
        "back": tiny.back,
        "shape": np.array([-1, *tiny.shape], np.int64),
    }
    row = list(tiny.shape)
    return _model(nodes, {"x": row, "noise": [2]}, {"next_x": row, "z": [2]}, constants)


def _model(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, list[int]],
    outputs: dict[str, list[int]],
    constants: dict[str, Any],
) -> onnx.ModelProto:
    ins, outs = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *row]) for name, row in side.items()]
        for side in (inputs, outputs)
    )
    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "tiny", ins, outs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
