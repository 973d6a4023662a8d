"""Chosen nodes in 16 bits: one cast where a tensor crosses the border, constants rounded when the graph is made."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import numpy_helper

from engines.precision.choice import BLIND, chosen
from engines.precision.graph import FLOAT, View, at_opset, rebuilt
from engines.precision.kinds import Half


def in_half(model: onnx.ModelProto, half: Half) -> onnx.ModelProto:
    """A copy of a plain float32 graph whose chosen nodes compute in `half`; inputs and outputs are as they were."""
    view = View(at_opset(model, half.opset))
    return _Rewrite(view, half, chosen(view, half)).done()


class _Rewrite:
    """One pass over the nodes; tensors that are in 16 bits keep their name unless the graph gives them away."""

    def __init__(self, view: View, half: Half, places: frozenset[int]) -> None:
        self._view, self._half, self._places = view, half, places
        self._halved = {name for place in places for name in view.floats(view.nodes[place].output)}
        self._casts: dict[tuple[str, int], str] = {}
        self._nodes: list[onnx.NodeProto] = []
        self._constants = dict(view.constants)

    def done(self) -> onnx.ModelProto:
        """The rewritten graph."""
        for place, node in enumerate(self._view.nodes):
            self._nodes.append(self._rewritten(node, place in self._places))
            for name in self._view.outputs & self._halved & set(node.output):
                self._cast(self._name(name), name, FLOAT)
        return rebuilt(self._view.model, self._nodes, self._constants.values())

    def _rewritten(self, node: onnx.NodeProto, is_half: bool) -> onnx.NodeProto:
        changed = onnx.NodeProto()
        changed.CopyFrom(node)
        floats = set(self._view.floats(node.input))
        is_blind = node.op_type in BLIND
        changed.input[:] = [
            name if name not in floats else self._name(name) if is_blind else self._as(name, is_half)
            for name in node.input
        ]
        changed.output[:] = [self._name(name) for name in node.output]
        if is_half and node.op_type == "Cast":
            del changed.attribute[:]
            changed.attribute.append(onnx.helper.make_attribute("to", self._half.element))
        return changed

    def _name(self, name: str) -> str:
        """Under which name its maker gives a tensor."""
        return f"{name}.{self._half.name}" if name in self._halved & self._view.outputs else name

    def _as(self, name: str, is_half: bool) -> str:
        """The name of a tensor in the type that its reader wants, cast where nobody asked before."""
        if (name in self._halved) == is_half:
            return self._name(name)
        if not is_half and name in self._view.outputs:
            return name
        element = self._half.element if is_half else FLOAT
        if (name, element) not in self._casts:
            target = f"{name}.{self._half.name if is_half else 'float32'}"
            self._casts[name, element] = target
            if name in self._constants:
                self._constants[target] = rounded(self._constants[name], target, element)
            else:
                self._cast(name, target, element)
        return self._casts[name, element]

    def _cast(self, source: str, target: str, element: int) -> None:
        self._nodes.append(onnx.helper.make_node("Cast", [source], [target], name=target, to=element))


def rounded(tensor: onnx.TensorProto, name: str, element: int) -> onnx.TensorProto:
    """A constant in another type, each value to the nearest one that the type has."""
    array = numpy_helper.to_array(tensor).astype(onnx.helper.tensor_dtype_to_np_dtype(element))
    return numpy_helper.from_array(array, name)


def simulated(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same numbers from float32 nodes: each tensor in 16 bits is rounded to them and cast back.

    ONNX Runtime's CPU has few kernels for 16 bits, and where it has none it computes a chain of nodes in float32
    without the rounding between; this graph rounds after every node, as an engine that has the kernels does.
    """
    view = View(model)
    return rebuilt(model, _simulated(view), [_float(tensor) for tensor in view.constants.values()])


_SIXTEEN = frozenset({onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16})


def _simulated(view: View) -> Iterator[onnx.NodeProto]:
    for node in view.nodes:
        changed = onnx.NodeProto()
        changed.CopyFrom(node)
        rounds = [name for name in node.output if name and view.types[name] in _SIXTEEN]
        if node.op_type == "Cast" and rounds:
            changed.attribute[0].i = FLOAT
        changed.output[:] = [f"{name}.exact" if name in rounds else name for name in node.output]
        yield changed
        for name in rounds:
            yield onnx.helper.make_node("Cast", [f"{name}.exact"], [f"{name}.rounded"], to=view.types[name])
            yield onnx.helper.make_node("Cast", [f"{name}.rounded"], [name], to=FLOAT)


def _float(tensor: onnx.TensorProto) -> onnx.TensorProto:
    if tensor.data_type not in _SIXTEEN:
        return tensor
    return numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name)
