"""Convolution weights of a published ONNX graph, with all that follows linearly folded in.

Shape letters: C channels out.
"""

from __future__ import annotations

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor

#: Nodes that change neither values nor their order along channels (NHWC or NCHW).
PASSING = ("Cast", "Transpose", "Identity")
Double = NDArray[np.float64]


def convolution_weights(graph: onnx.GraphProto) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of each convolution in the graph's order, float32.

    Quantised weights are rounded as the graph rounds them. Additions, subtractions and products with a constant for
    each channel that follow (a batch norm) are taken in.
    """
    values, following = constants(graph), readers(graph)
    weights = []
    for node in graph.node:
        if node.op_type == "Conv":
            weight = values[node.input[1]]
            bias_C = values[node.input[2]] if len(node.input) > 2 else np.zeros(weight.shape[0])
            scale_C, shift_C = affine(node, following, values)
            folded = weight * np.broadcast_to(scale_C, weight.shape[:1])[:, None, None, None]
            weights.append((torch.from_numpy(folded).float(), torch.from_numpy(bias_C * scale_C + shift_C).float()))
    return weights


def linear_weights(graph: onnx.GraphProto) -> tuple[Tensor, Tensor]:
    """Weight (outputs, inputs) and bias of the only linear layer, float32."""
    (node,) = [node for node in graph.node if node.op_type in ("Gemm", "MatMul")]
    values = constants(graph)
    weight = values[node.input[1]]
    if node.op_type == "Gemm":  # our graphs have it with transB = 1
        bias = values[node.input[2]]
    else:
        weight, bias = weight.T, affine(node, readers(graph), values)[1]
    return torch.from_numpy(weight.copy()).float(), torch.from_numpy(bias.copy()).float()


def relu_limits(graph: onnx.GraphProto) -> list[float]:
    """The largest value that the 8-bit output of each Relu can hold, in the graph's order."""
    values, following = constants(graph), readers(graph)
    limits = []
    for node in graph.node:
        if node.op_type == "Relu":
            (quantize,) = following[node.output[0]]
            scale, zero = (float(values[name]) for name in quantize.input[1:])
            limits.append((np.iinfo(np.uint8).max - zero) * scale)
    return limits


def readers(graph: onnx.GraphProto) -> dict[str, list[onnx.NodeProto]]:
    """The nodes that take each value."""
    found: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            found.setdefault(name, []).append(node)
    return found


def constants(graph: onnx.GraphProto) -> dict[str, Double]:
    """Stored tensors, copies of them, and what they are after being quantised and dequantised."""
    stored = {value.name: numpy_helper.to_array(value) for value in graph.initializer}
    for node in graph.node:
        if node.input and node.input[0] in stored:
            if node.op_type == "Identity":
                stored[node.output[0]] = stored[node.input[0]]
            elif node.op_type in ("QuantizeLinear", "DequantizeLinear"):
                stored[node.output[0]] = rescaled(node, stored)
    return {name: value.astype(np.float64) for name, value in stored.items() if value.dtype.kind in "fiu"}


def rescaled(node: onnx.NodeProto, stored: dict[str, NDArray[np.generic]]) -> NDArray[np.generic]:
    """QuantizeLinear or DequantizeLinear of a stored tensor, per tensor or per first axis."""
    value, scale, zero = (np.asarray(stored[name]) for name in node.input)
    shape = (-1,) + (1,) * (value.ndim - 1) if scale.ndim else ()
    scale, offset = scale.reshape(shape), zero.astype(np.float32).reshape(shape)
    if node.op_type == "DequantizeLinear":
        return np.asarray((value.astype(np.float32) - offset) * scale)
    limits = np.iinfo(zero.dtype)
    return np.asarray(np.clip(np.rint(value / scale) + offset, limits.min, limits.max).astype(zero.dtype))


def affine(
    node: onnx.NodeProto, following: dict[str, list[onnx.NodeProto]], values: dict[str, Double]
) -> tuple[Double, Double]:
    """What the constants behind a node do to its output: x * scale + shift."""
    scale_C, shift_C = np.ones(1), np.zeros(1)
    while len(next_nodes := following.get(node.output[0], [])) == 1:
        (node,) = next_nodes
        if node.op_type in PASSING:
            continue
        constant_C = values[node.input[1]].reshape(-1) if len(node.input) > 1 and node.input[1] in values else None
        if constant_C is None or node.op_type not in ("Add", "Sub", "Mul"):
            break
        if node.op_type == "Mul":
            scale_C, shift_C = scale_C * constant_C, shift_C * constant_C
        else:
            shift_C = shift_C + (constant_C if node.op_type == "Add" else -constant_C)
    return scale_C, shift_C
