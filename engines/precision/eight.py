"""Products in 8 bits: inputs and weights behind QuantizeLinear and DequantizeLinear, with scales and no zero point.

Engines turn a product between such pairs into one of 8 bits, and take what follows it (a bias, a sum, an activation,
the next QuantizeLinear) into the same kernel. Activations have one scale for each tensor. Biases and what is not
quantised stay in the type of the graph around them. Where a convolution's output is added to a tensor that is
quantised for another product, the sum reads that tensor's 8 bits, too: it is then read once, in a quarter of the bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np
import onnx
from onnx import numpy_helper

from engines.precision.choice import PRODUCTS
from engines.precision.graph import View, at_opset, attribute, rebuilt
from engines.precision.kinds import Eight
from engines.precision.weights import rounded

#: The first opset whose QuantizeLinear takes 16 bits, and whose types include float8.
_OPSET = 19
#: Rows of matrices that are no multiple of this many bytes are padded by engines, or refused.
_ALIGNED_BYTES = 16


def products(view: View) -> dict[int, int]:
    """Place -> ordinal of every product. Ordinals stay as they are in other precisions of the same graph."""
    places = [place for place, node in enumerate(view.nodes) if node.op_type in PRODUCTS]
    return {place: ordinal for ordinal, place in enumerate(places)}


def candidates(view: View, eight: Eight, among: Collection[int]) -> dict[int, str]:
    """Ordinal -> input, of the products of a plain graph that could be in 8 bits, of those at places in `among`."""
    fit = {}
    for place, ordinal in products(view).items():
        node = view.nodes[place]
        if place in among and node.op_type in eight.operators and view.media(node) == [node.input[0]]:
            shape = view.constants[node.input[1]].dims
            if node.op_type == "Conv" or (len(shape) == 2 and not any(size % _ALIGNED_BYTES for size in shape)):
                fit[ordinal] = node.input[0]
    return fit


def quantised(model: onnx.ModelProto, clips: Mapping[int, float], eight: Eight) -> onnx.ModelProto:
    """A copy whose products at these ordinals are in 8 bits.

    model: in float32, or with products in 16 bits; scales have the type of what they scale.
    clips: ordinal -> magnitude of the input that becomes the greatest value of 8 bits; positive.
    """
    view = View(at_opset(model, _OPSET))
    rewrite = _Rewrite(view, clips, eight)
    nodes = list(rewrite.nodes())
    return rebuilt(view.model, nodes, rewrite.constants.values())


class _Rewrite:
    """One pass over the nodes; a tensor that several products read is quantised once."""

    def __init__(self, view: View, clips: Mapping[int, float], eight: Eight) -> None:
        ordinals = products(view)
        self._view, self._eight = view, eight
        self._clips = {place: clips[ordinal] for place, ordinal in ordinals.items() if ordinal in clips}
        self._sources = {view.nodes[place].input[0]: clip for place, clip in self._clips.items()}
        self._done = set[str]()
        self.constants = dict(view.constants)

    def nodes(self) -> Iterator[onnx.NodeProto]:
        """The rewritten nodes; `constants` is complete after the last."""
        for place, node in enumerate(self._view.nodes):
            changed = onnx.NodeProto()
            changed.CopyFrom(node)
            if place in self._clips:
                yield from self._activation(node.input[0])
                yield from self._weight(node)
                changed.input[:2] = [self._name(name) for name in node.input[:2]]
            for index in self._shared(node):
                yield from self._activation(node.input[index])
                changed.input[index] = self._name(node.input[index])
            yield changed

    def _name(self, name: str) -> str:
        return f"{name}.{self._eight.name}.float"

    def _shared(self, node: onnx.NodeProto) -> list[int]:
        """Inputs of a sum that are quantised for products, where the other comes from a convolution."""
        makers = [self._view.makers.get(name, -1) for name in node.input]
        if node.op_type != "Add" or -1 in makers:
            return []
        return [
            index
            for index, name in enumerate(node.input)
            if name in self._sources and self._view.nodes[makers[1 - index]].op_type == "Conv"
        ]

    def _activation(self, name: str) -> Iterator[onnx.NodeProto]:
        if name in self._done:
            return
        self._done.add(name)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(self._view.types[name])
        stored, scale, zero = f"{name}.{self._eight.name}", f"{name}.{self._eight.name}.scale", self._zero()
        self.constants[scale] = numpy_helper.from_array(
            np.asarray(self._sources[name] / self._eight.most, dtype), scale
        )
        yield onnx.helper.make_node("QuantizeLinear", [name, scale, zero], [stored], name=stored)
        yield onnx.helper.make_node(
            "DequantizeLinear", [stored, scale, zero], [self._name(name)], name=self._name(name)
        )

    def _weight(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        name = node.input[1]
        if name in self._done:
            return
        self._done.add(name)
        axis = _channel_axis(node) if self._eight.per_channel else None
        values, scales = rounded(self._view.value(name), self._eight, axis)
        stored, scale = f"{name}.{self._eight.name}", f"{name}.{self._eight.name}.scale"
        self.constants[stored] = numpy_helper.from_array(values, stored)
        self.constants[scale] = numpy_helper.from_array(scales, scale)
        whole = self._name(name)
        # For one scale the axis means nothing.
        yield onnx.helper.make_node("DequantizeLinear", [stored, scale], [whole], name=whole, axis=axis or 0)

    def _zero(self) -> str:
        """A zero point: engines read from its type which 8 bits are meant."""
        name = f"{self._eight.name}.zero"
        dtype = onnx.helper.tensor_dtype_to_np_dtype(self._eight.element)
        self.constants[name] = numpy_helper.from_array(np.zeros((), dtype), name)
        return name


def _channel_axis(node: onnx.NodeProto) -> int:
    """Along which a weight has output channels."""
    if node.op_type == "Conv":
        return 0
    return 0 if node.op_type == "Gemm" and attribute(node, "transB", 0) else 1
