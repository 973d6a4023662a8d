"""What TensorRT wants otherwise, with the same values: no operator that it runs as a loop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from engines.precision.graph import CONTROL, View, attribute, rebuilt
from engines.spec import Array

#: (exclusive, reverse) -> which inputs (columns) each running sum (row) takes.
_TAKES = {(0, 0): "LessOrEqual", (1, 0): "Less", (0, 1): "GreaterOrEqual", (1, 1): "Greater"}


def fit_for_tensorrt(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that TensorRT 10.6's parser takes whole and that can be captured in a CUDA graph; equal in value.

    The parser makes a loop of `CumSum` (onnx-tensorrt, onnxOpImporters.cpp, until 10.8), and a stream that is captured
    cannot wait for one: an H200 refused to capture a text tower that had one in its buckets ("this TRT engine is not
    stream capturable"), and ran it launch by launch. Here each running sum becomes a sum over all inputs, those to come replaced by 0: exact for
    integers, and for floats up to the order of summation. It costs the square of the length.
    Raises `ValueError` for loops and branches of the graph's own, and for sums along an axis that is not constant.
    """
    view = View(model)
    constants = dict(view.constants)
    nodes: list[onnx.NodeProto] = []
    for node in view.nodes:
        if node.op_type in CONTROL:
            raise ValueError(f"{model.graph.name}: came {node.op_type} {node.name!r}, expected a graph without loops")
        nodes.extend(_running_sum(view, node, constants) if node.op_type == "CumSum" else [node])
    return rebuilt(model, nodes, constants.values())


def _running_sum(view: View, node: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> Iterator[onnx.NodeProto]:
    source, output = node.input[0], node.output[0]
    rank = view.rank(source)
    if node.input[1] not in constants:
        raise ValueError(f"{view.graph.name}: came CumSum {node.name!r} along a computed axis, expected a constant")
    axis = int(view.value(node.input[1]).item()) % rank
    order = [*(index for index in range(rank) if index != axis), axis]
    nothing = np.zeros((), helper.tensor_dtype_to_np_dtype(view.types[source]))

    def constant(name: str, value: Array | int | list[int]) -> str:
        array = np.asarray(value, None if isinstance(value, np.ndarray) else np.int64)
        constants[f"{output}.{name}"] = numpy_helper.from_array(array, f"{output}.{name}")
        return f"{output}.{name}"

    def make(operator: str, inputs: list[str], to: str, **attributes: Any) -> onnx.NodeProto:
        name = f"{output}.{to}" if to else output
        return helper.make_node(operator, inputs, [name], name=name, **attributes)

    yield make("Shape", [source], "shape")
    yield make("Gather", [f"{output}.shape", constant("axis", axis)], "length")
    yield make("Range", [constant("zero", 0), f"{output}.length", constant("one", 1)], "places")
    yield make("Unsqueeze", [f"{output}.places", constant("last", [1])], "rows")
    takes = _TAKES[attribute(node, "exclusive", 0), attribute(node, "reverse", 0)]
    yield make(takes, [f"{output}.places", f"{output}.rows"], "takes")
    yield make("Transpose", [source], "turned", perm=order)
    yield make("Unsqueeze", [f"{output}.turned", constant("before", [rank - 1])], "wide")
    yield make("Where", [f"{output}.takes", f"{output}.wide", constant("nothing", nothing)], "taken")
    yield make("ReduceSum", [f"{output}.taken", constant("inputs", [rank])], "sums", keepdims=0)
    yield make("Transpose", [f"{output}.sums"], "", perm=np.argsort(order).tolist())
