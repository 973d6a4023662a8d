"""Graphs written down for one question."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper


def small(text: str) -> onnx.ModelProto:
    """A checked graph of opset 20; weights that are named without values are drawn at random."""
    model = onnx.parser.parse_model('<ir_version: 10, opset_import: ["" : 20]>' + text)
    rng = np.random.default_rng(0)
    for value in model.graph.value_info:
        shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        model.graph.initializer.append(
            numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), value.name)
        )
    del model.graph.value_info[:]
    onnx.checker.check_model(model, full_check=True)
    return model


def face(model: onnx.ModelProto) -> list[tuple[str, bytes]]:
    """What callers see of a graph: names, types and shapes."""
    return [(value.name, value.type.SerializeToString()) for value in [*model.graph.input, *model.graph.output]]
