"""What of a graph computes in which type: for the report of a build."""

from __future__ import annotations

from collections import Counter

import onnx

from engines.precision.choice import PRODUCTS
from engines.precision.graph import View

_TYPES: dict[int, str] = {
    onnx.TensorProto.FLOAT: "fp32",
    onnx.TensorProto.FLOAT16: "fp16",
    onnx.TensorProto.BFLOAT16: "bf16",
    onnx.TensorProto.INT8: "int8",
    onnx.TensorProto.FLOAT8E4M3FN: "fp8",
}


def layers_by_precision(model: onnx.ModelProto) -> dict[str, int]:
    """How many products (Conv, MatMul, Gemm, ...) compute in "fp32", "fp16", "bf16", "int8" and "fp8", and "casts".

    Those that are there; casts are counted between types of float, always. A product is in 8 bits where both its
    operands come out of them.
    """
    view = View(model)
    counts = Counter({"casts": 0})
    for node in view.nodes:
        if node.op_type in PRODUCTS:
            counts[_TYPES[_computes_in(view, node)]] += 1
        elif node.op_type == "Cast" and {view.types[node.input[0]], view.types[node.output[0]]} <= _TYPES.keys():
            counts["casts"] += 1
    return dict(sorted(counts.items()))


def _computes_in(view: View, node: onnx.NodeProto) -> int:
    makers = [view.nodes[view.makers[name]] for name in node.input[:2] if name in view.makers]
    stored = {view.types[maker.input[0]] for maker in makers if maker.op_type == "DequantizeLinear"}
    both = len(makers) == 2 and all(maker.op_type == "DequantizeLinear" for maker in makers)
    return stored.pop() if both and len(stored) == 1 else view.types[node.output[0]]
