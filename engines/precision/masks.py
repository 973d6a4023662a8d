"""Masks as numbers: a graph in which what is true or false is 1.0 or 0.0 from the inputs on. The values stay the same.

TensorRT 10.6 gave wrong answers for all but the first row where truth values were joined and reduced as integers
(`any` of a mask is exported as a maximum of int64); in float32 it gives the right ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from engines.precision.graph import View, without_unused

#: What only moves values, by the places of the inputs that hold them (None: all).
_MOVING: dict[str, Sequence[int] | None] = {
    "Concat": None,
    "Expand": (0,),
    "Gather": (0,),
    "Reshape": (0,),
    "Slice": (0,),
    "Squeeze": (0,),
    "Transpose": (0,),
    "Unsqueeze": (0,),
}
#: What joins truth values, and the same for 1.0 and 0.0.
_JOINING = {"And": "Mul", "Or": "Max"}
_INTEGERS = (TensorProto.INT32, TensorProto.INT64)


def with_masks_as_numbers(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which truth values that come from inputs are float32 as far as they are moved, joined and reduced."""
    view = View(model)
    work = _Work(view)
    for value in view.graph.input:
        if value.type.tensor_type.elem_type == TensorProto.BOOL:
            work.number(value.name)
    for node in view.nodes:
        work.take(node)
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    del changed.graph.node[:]
    changed.graph.node.extend(work.nodes)
    changed.graph.initializer.extend(work.constants)
    return without_unused(changed)


class _Work:
    """The new nodes, and which tensors have a twin in float32."""

    def __init__(self, view: View) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._view = view
        self._twins: dict[str, str] = {}

    def take(self, node: onnx.NodeProto) -> None:
        """Put a node down; beside it, its twin where all that it reads of truth values has one."""
        kept = onnx.NodeProto()
        kept.CopyFrom(node)
        kind, types = node.op_type, self._view.types
        if kind == "Cast" and node.input[0] in self._twins:
            if types[node.output[0]] == TensorProto.FLOAT:
                kept = helper.make_node("Identity", [self._twins[node.input[0]]], list(node.output), node.name)
            else:
                self._twins[node.output[0]] = self._twins[node.input[0]]
        elif kind in _JOINING and all(name in self._twins for name in node.input):
            self._twins[node.output[0]] = f"{node.output[0]}.number"
            twins = [self._twins[name] for name in node.input]
            self.nodes.append(helper.make_node(_JOINING[kind], twins, [self._twins[node.output[0]]]))
        elif kind == "ReduceMax" and node.input[0] in self._twins and types[node.input[0]] in _INTEGERS:
            self._same(node, (0,))
        elif kind in _MOVING and types[node.output[0]] == TensorProto.BOOL:
            places = _MOVING[kind]
            self._same(node, range(len(node.input)) if places is None else places)
        self.nodes.append(kept)

    def number(self, name: str) -> None:
        """Give an input its twin."""
        self._twins[name] = f"{name}.number"
        self.nodes.append(helper.make_node("Cast", [name], [self._twins[name]], to=TensorProto.FLOAT))

    def _same(self, node: onnx.NodeProto, places: Sequence[int]) -> None:
        """The same node on twins, where there are twins or constants at all of these places."""
        inputs = list(node.input)
        for place in places:
            twin = self._twin(inputs[place])
            if twin is None:
                return
            inputs[place] = twin
        twin_node = helper.make_node(node.op_type, inputs, [f"{node.output[0]}.number"])
        twin_node.attribute.extend(node.attribute)
        self._twins[node.output[0]] = twin_node.output[0]
        self.nodes.append(twin_node)

    def _twin(self, name: str) -> str | None:
        if name not in self._twins and name in self._view.constants:
            array = np.asarray(numpy_helper.to_array(self._view.constants[name]), np.float32)
            self._twins[name] = f"{name}.number"
            self.constants.append(numpy_helper.from_array(array, self._twins[name]))
        return self._twins.get(name)
