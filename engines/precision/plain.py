"""Any graph as plain float32: what every other precision is made from, and compared with."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import inliner, numpy_helper
from onnx.reference import ReferenceEvaluator

from engines.activations import without_integers
from engines.precision.graph import CONTROL, rebuilt

#: Of constants alone, these give constants with as many elements.
_FOLDED = frozenset({"Identity", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Cast", "DequantizeLinear"})


def as_float(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that computes in float32 with float32 weights, without local functions and `Constant` nodes.

    Weights in 8 bits (`engines.quantise`) take the values that they stand for; activations in 8 bits
    (`engines.activations`) are left out. Raises `ValueError` for graphs that are quantised otherwise or that branch.
    """
    whole = inliner.inline_local_functions(model) if model.functions else model
    plain = _folded(without_integers(whole))
    for node in plain.graph.node:
        if node.op_type in {"QuantizeLinear", "DequantizeLinear"}:
            raise ValueError(f"{model.graph.name}: came {node.op_type} {node.name!r}, expected a float32 graph")
        if node.op_type in CONTROL:
            raise ValueError(
                f"{model.graph.name}: came {node.op_type} {node.name!r}, expected a graph without branches"
            )
    return plain


def _folded(model: onnx.ModelProto) -> onnx.ModelProto:
    """`Constant` nodes, and what only turns constants around, become stored tensors."""
    opsets = list(model.opset_import)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    kept = []
    for node in model.graph.node:
        is_fixed = node.op_type in _FOLDED and all(name in constants for name in node.input)
        if node.op_type != "Constant" and not is_fixed:
            kept.append(node)
            continue
        inputs = {name: numpy_helper.to_array(constants[name]) for name in node.input}
        values = [onnx.helper.make_value_info(name, onnx.TypeProto()) for name in [*node.input, node.output[0]]]
        single = onnx.helper.make_graph([node], "constant", values[:-1], values[-1:])
        (array,) = ReferenceEvaluator(onnx.helper.make_model(single, opset_imports=opsets)).run(None, inputs)
        constants[node.output[0]] = numpy_helper.from_array(np.asarray(array), node.output[0])
    return rebuilt(model, kept, constants.values())
