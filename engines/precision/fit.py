"""What TensorRT wants otherwise, with the same values."""

from __future__ import annotations

import onnx

from engines.precision.graph import CONTROL
from engines.precision.masks import with_masks_as_numbers


def fit_for_tensorrt(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that TensorRT 10.6 computes rightly and that can be captured in a CUDA graph; equal in value.

    `CumSum`, which its parser makes a loop of, is unrolled where the shape is known, as in a bucket: a text tower with
    one was captured and agreed with ONNX Runtime. Raises `ValueError` for loops and branches of the graph's own.
    """
    for node in model.graph.node:
        if node.op_type in CONTROL:
            raise ValueError(f"{model.graph.name}: came {node.op_type} {node.name!r}, expected a graph without loops")
    return with_masks_as_numbers(model)
