"""A graph with what rewrites ask of it: constants, element types, who makes and who reads each tensor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import onnx
from onnx import numpy_helper

from engines.spec import Array

FLOAT = onnx.TensorProto.FLOAT
#: Operators with graphs of their own.
CONTROL = frozenset({"If", "Loop", "Scan"})


@dataclass(frozen=True)
class View:
    """One graph, read only. `nodes` are in an order in which they can run, as ONNX asks."""

    model: onnx.ModelProto

    @property
    def graph(self) -> onnx.GraphProto:
        """What runs."""
        return self.model.graph

    @cached_property
    def nodes(self) -> list[onnx.NodeProto]:
        """In order; rewrites know a node by its place."""
        return list(self.graph.node)

    @cached_property
    def constants(self) -> dict[str, onnx.TensorProto]:
        """Stored tensors by name."""
        return {tensor.name: tensor for tensor in self.graph.initializer}

    @cached_property
    def outputs(self) -> frozenset[str]:
        """Names that the graph gives to its caller."""
        return frozenset(value.name for value in self.graph.output)

    @cached_property
    def values(self) -> dict[str, onnx.ValueInfoProto]:
        """What ONNX's strict inference knows of every tensor that is not stored.

        Raises `onnx.shape_inference.InferenceError` for a graph that contradicts itself.
        """
        inferred = onnx.shape_inference.infer_shapes(self.model, strict_mode=True, data_prop=True).graph
        return {value.name: value for value in [*inferred.input, *inferred.value_info, *inferred.output]}

    @cached_property
    def types(self) -> dict[str, int]:
        """Element type of every tensor."""
        stored = {name: tensor.data_type for name, tensor in self.constants.items()}
        return {name: value.type.tensor_type.elem_type for name, value in self.values.items()} | stored

    def rank(self, name: str) -> int:
        """How many axes a tensor has that is not stored."""
        return len(self.values[name].type.tensor_type.shape.dim)

    @cached_property
    def readers(self) -> dict[str, list[int]]:
        """Tensor -> places of the nodes that read it."""
        readers: dict[str, list[int]] = {}
        for place, node in enumerate(self.nodes):
            for name in node.input:
                readers.setdefault(name, []).append(place)
        return readers

    @cached_property
    def makers(self) -> dict[str, int]:
        """Tensor -> place of the node that makes it; inputs and constants have none."""
        return {name: place for place, node in enumerate(self.nodes) for name in node.output if name}

    def floats(self, names: Iterable[str]) -> list[str]:
        """Those of the tensors that are float32."""
        return [name for name in names if name and self.types[name] == FLOAT]

    def media(self, node: onnx.NodeProto) -> list[str]:
        """Inputs of a node that are float32 and change from run to run."""
        return [name for name in self.floats(node.input) if name not in self.constants]

    def stored(self, node: onnx.NodeProto) -> list[Array]:
        """Inputs of a node that are float32 and constant."""
        return [self.value(name) for name in self.floats(node.input) if name in self.constants]

    def value(self, name: str) -> Array:
        """The content of a constant."""
        array: Array = numpy_helper.to_array(self.constants[name])
        return array

    def above(self, places: Iterable[int], *, until: str = "") -> set[int]:
        """Nodes that these rest on, and themselves; not what lies above a node of the operator `until`."""
        seen, open_places = set[int](), list(places)
        while open_places:
            place = open_places.pop()
            if place in seen:
                continue
            seen.add(place)
            if self.nodes[place].op_type != until:
                open_places += [self.makers[name] for name in self.nodes[place].input if name in self.makers]
        return seen


def rebuilt(
    model: onnx.ModelProto, nodes: Iterable[onnx.NodeProto], constants: Iterable[onnx.TensorProto]
) -> onnx.ModelProto:
    """A checked copy of the model with these nodes, and those of the constants that they read."""
    nodes = list(nodes)
    used = {name for node in nodes for name in node.input} | {value.name for value in model.graph.output}
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    del changed.graph.node[:], changed.graph.initializer[:], changed.graph.value_info[:]
    changed.graph.node.extend(nodes)
    changed.graph.initializer.extend(tensor for tensor in constants if tensor.name in used)
    onnx.checker.check_model(changed, full_check=True)
    return changed


def attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    """An integer attribute of a node, the default where it has none."""
    return next((entry.i for entry in node.attribute if entry.name == name), default)


#: The first opset from which one may go up to 22 by the number alone: `Split` and reductions had changed.
_LEAST_OPSET = 18
#: What means something else in a later opset up to 22; all else there only takes more types or has new options.
_CHANGED = frozenset({"DFT", "GridSample", "GroupNormalization"})


def at_opset(model: onnx.ModelProto, least: int) -> onnx.ModelProto:
    """The same graph under opset `least`, at most 22, for the types that its operators take; as it is if later.

    Raises `ValueError` when an operator would mean something else.
    """
    (opset,) = [entry.version for entry in model.opset_import if entry.domain == ""]
    if opset >= least:
        return model
    changed = sorted(_CHANGED.intersection(node.op_type for node in model.graph.node))
    if opset < _LEAST_OPSET or changed:
        came = f"opset {opset}" + (f" with {', '.join(changed)}" if changed else "")
        raise ValueError(f"{model.graph.name}: came {came}, expected a graph exported at opset {least}")
    raised = onnx.ModelProto()
    raised.CopyFrom(model)
    for entry in raised.opset_import:
        entry.version = least if entry.domain == "" else entry.version
    return raised


def without_unused(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model, without the nodes and constants that lead to no output. Changes it in place."""
    graph = model.graph
    needed, nodes = {value.name for value in graph.output}, []
    for node in reversed(graph.node):
        if needed & {*node.output}:
            needed |= {*node.input}
            nodes.append(node)
    constants = [tensor for tensor in graph.initializer if tensor.name in needed]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(reversed(nodes))
    graph.initializer.extend(constants)
    return model
