"""Weights in 8 bits: a graph that is a quarter the size on disk and computes in float32 as before.

Each large weight W of a convolution, product or table becomes round(W / s) in int8 with one scale s = max|W| / 127 for
each output channel or row (symmetric, arXiv 2004.09602, 3.1), behind a DequantizeLinear that gives float32 back.
Engines fold that when they load the graph. Only weights are rounded, never what passes through the graph, so no
calibration data is needed and the same file serves every engine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

#: Weights of fewer elements save too little to be worth an error.
LEAST_ELEMENTS = 1024
#: Of int8; -128 is left out, so that a weight and its negative are rounded alike.
MOST = 127
#: Operator -> the input that holds its weight.
_WEIGHT_INPUTS = {"Conv": 1, "Gemm": 1, "MatMul": 1, "Gather": 0}


def store_small(model: onnx.ModelProto, exact: Sequence[NDArray[np.generic]] = ()) -> onnx.ModelProto:
    """A copy of the graph whose large weights are int8. Weights that several operators share in unlike ways stay.

    exact: constants to be stored as they are, such as Fourier kernels; known by value, as exporters rename and
        transpose them.
    """
    small = onnx.ModelProto()
    small.CopyFrom(model)
    _transpose_now(small.graph)
    axes = dict(_weight_axes(small.graph))
    kept, added = [], []
    for tensor in small.graph.initializer:
        weight = numpy_helper.to_array(tensor)
        if tensor.name not in axes or any(_same(weight, constant) for constant in exact):
            kept.append(tensor)
            continue
        values, scales = rounded(weight, axes[tensor.name])
        stored, scale = f"{tensor.name}.int8", f"{tensor.name}.scale"
        kept += [numpy_helper.from_array(values, stored), numpy_helper.from_array(scales, scale)]
        added.append(onnx.helper.make_node("DequantizeLinear", [stored, scale], [tensor.name], axis=axes[tensor.name]))
    nodes = [*added, *small.graph.node]
    del small.graph.initializer[:], small.graph.node[:]
    small.graph.initializer.extend(kept)
    small.graph.node.extend(nodes)
    onnx.checker.check_model(small, full_check=True)
    return small


def is_small(model: onnx.ModelProto | Path) -> bool:
    """Whether a graph or a file of one came out of `store_small`."""
    if isinstance(model, Path):
        model = onnx.load(model)
    return any(node.op_type == "DequantizeLinear" for node in model.graph.node)


def rounded(weight: NDArray[np.float32], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """int8 values in [-127, 127] and one positive float32 scale for each index of `axis`; values * scales ~ weight."""
    others = tuple(index for index in range(weight.ndim) if index != axis)
    most = np.abs(weight).max(axis=others)
    scales = np.where(most > 0, np.maximum(most / MOST, np.finfo(np.float32).tiny), 1.0).astype(np.float32)
    shape = [-1 if index == axis else 1 for index in range(weight.ndim)]
    return np.rint(weight / scales.reshape(shape)).astype(np.int8), scales


def _transpose_now(graph: onnx.GraphProto) -> None:
    """Store transposed what the graph would transpose at every run: exporters leave that for weights used twice."""
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "Transpose" and node.input[0] in weights]:
        weight = numpy_helper.to_array(weights[node.input[0]])
        order = next((list(attribute.ints) for attribute in node.attribute if attribute.name == "perm"), None)
        turned = np.ascontiguousarray(weight.transpose(order))
        graph.initializer.append(numpy_helper.from_array(turned, node.output[0]))
        graph.node.remove(node)
    used = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)


def _same(weight: NDArray[np.generic], constant: NDArray[np.generic]) -> bool:
    return np.array_equal(weight, constant) or np.array_equal(weight.T, constant)


def _weight_axes(graph: onnx.GraphProto) -> Iterator[tuple[str, int]]:
    """Each large float32 weight and its channel axis, when everything that reads it takes it for the same kind."""
    uses: dict[str, set[int | None]] = defaultdict(set)
    sizes = {
        tensor.name: (len(tensor.dims), int(np.prod(tensor.dims)))
        for tensor in graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
    }
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name in sizes:
                is_weight = _WEIGHT_INPUTS.get(node.op_type) == index
                uses[name].add(_channel_axis(node, sizes[name][0]) if is_weight else None)
    for name, axes in uses.items():
        (axis, *others) = axes
        if axis is not None and not others and sizes[name][1] >= LEAST_ELEMENTS:
            yield name, axis


def _channel_axis(node: onnx.NodeProto, rank: int) -> int:
    """Along which a weight has scales of its own: output channels; rows of a table."""
    if node.op_type == "MatMul":
        return rank - 1
    if node.op_type == "Gemm":
        transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
        return 0 if transposed else 1
    return 0
