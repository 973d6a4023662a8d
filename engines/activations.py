"""What passes through convolutions in 8 bits: a graph that computes in integers where that costs little.

Weights are int8 with a scale for each output channel, as `quantise.py` stores them; activations become uint8 with a
scale and a zero point for each tensor, from the least and the greatest value that real clips bring there (arXiv
1712.05877, 2 and 3.1). Every convolution, and what lies between two of them, is put between QuantizeLinear and
DequantizeLinear, which ONNX Runtime turns into integer arithmetic. Engines that refuse zero points leave those pairs
out and have the graph of `quantise.py` again but for small convolutions, which are rounded, too: one file serves all.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from engines.quantise import LEAST_ELEMENTS, store_small
from engines.spec import Array

#: Of nodes between two convolutions, that integers pass as they are or that ONNX Runtime computes in integers.
_BETWEEN = frozenset({"Clip", "Relu", "MaxPool", "Add"})


def compute_in_integers(model: onnx.ModelProto, batches: Sequence[Mapping[str, Array]]) -> onnx.ModelProto:
    """A copy of a graph that `store_small` made whose convolutions take uint8; all else stays as it was.

    batches: inputs of real clips, which the ranges are measured on. Raises `ValueError` when there is none, or nothing
    in the graph that integers could compute.
    """
    if not batches:
        raise ValueError("integers: came no clips to measure ranges on, expected some")
    plain = with_float_weights(model)
    chosen = convolutional(plain.graph)
    if not chosen:
        raise ValueError(f"{model.graph.name}: came a graph without convolutions, expected some")
    with tempfile.TemporaryDirectory() as scratch:
        source, target = Path(scratch) / "float.onnx", Path(scratch) / "integer.onnx"
        onnx.save(plain, source)
        with _without_warnings():
            quantize_static(
                source,
                target,
                _Reader(batches),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_quantize=chosen,
                calibrate_method=CalibrationMethod.MinMax,
                # So that without the pairs it is the same graph again: clips stay, and biases are float32.
                extra_options={"QDQKeepRemovableActivations": True, "QuantizeBias": False},
            )
        integer = onnx.load(target)
    _take_names(integer, model)
    return store_small(integer, exact=_large_floats(model))


def without_integers(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which activations are float32 again: for engines that refuse zero points, and to compare with torch."""
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    constants = {tensor.name for tensor in plain.graph.initializer}
    source = {node.output[0]: node.input[0] for node in plain.graph.node if node.op_type == "QuantizeLinear"}
    whole = {
        node.output[0]: source[node.input[0]]
        for node in plain.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in source
    }
    kept = [node for node in plain.graph.node if not {*node.output} & (source.keys() | whole.keys())]
    for node in kept:
        node.input[:] = [whole.get(name, name) for name in node.input]
    used = {name for node in kept for name in node.input}
    del plain.graph.node[:]
    plain.graph.node.extend(kept)
    for tensor in [tensor for tensor in plain.graph.initializer if tensor.name in constants - used]:
        plain.graph.initializer.remove(tensor)
    onnx.checker.check_model(plain, full_check=True)
    return plain


def with_float_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which what `store_small` has stored in 8 bits is float32 again, with the same values."""
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    constants = {tensor.name: tensor for tensor in plain.graph.initializer}
    stored = [node for node in plain.graph.node if node.op_type == "DequantizeLinear" and node.input[0] in constants]
    others = [node for node in plain.graph.node if node not in stored]
    gone = {name for node in stored for name in node.input}
    kept = [tensor for tensor in plain.graph.initializer if tensor.name not in gone]
    floats = [_float_weight(node, constants) for node in stored]
    del plain.graph.node[:], plain.graph.initializer[:]
    plain.graph.node.extend(others)
    plain.graph.initializer.extend([*kept, *floats])
    return plain


def convolutional(graph: onnx.GraphProto) -> list[str]:
    """Names of the convolutions and of what has no other inputs than they give; in the order of the graph."""
    constants = {tensor.name for tensor in graph.initializer}
    chosen, given = [], set[str]()
    for node in graph.node:
        media = [name for name in node.input if name and name not in constants]
        if node.op_type == "Conv" or (node.op_type in _BETWEEN and media and given.issuperset(media)):
            chosen.append(node.name)
            given.update(node.output)
    return chosen


@contextmanager
def _without_warnings() -> Iterator[None]:
    """ONNX Runtime's tool asks the root logger for shapes, which these graphs do not need."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # has no types
    """Hands batches to ONNX Runtime."""

    def __init__(self, batches: Sequence[Mapping[str, Array]]) -> None:
        self._batches: Iterator[Mapping[str, Array]] = iter(batches)

    def get_next(self) -> dict[str, Array] | None:
        """The next batch, None after the last."""
        batch = next(self._batches, None)
        return None if batch is None else dict(batch)


def _float_weight(node: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto]) -> onnx.TensorProto:
    values, scales = (numpy_helper.to_array(constants[name]) for name in node.input[:2])
    axis = next(attribute.i for attribute in node.attribute if attribute.name == "axis")
    shape = [-1 if index == axis else 1 for index in range(values.ndim)]
    return numpy_helper.from_array(values.astype(np.float32) * scales.reshape(shape), node.output[0])


def _large_floats(model: onnx.ModelProto) -> list[Array]:
    """What `store_small` left as it was, for good reasons."""
    arrays = [numpy_helper.to_array(tensor) for tensor in model.graph.initializer]
    return [array for array in arrays if array.dtype == np.float32 and array.size >= LEAST_ELEMENTS]


def _take_names(model: onnx.ModelProto, of: onnx.ModelProto) -> None:
    """What ONNX Runtime's tool writes about itself gives way to what was there."""
    model.producer_name, model.producer_version, model.graph.name = of.producer_name, of.producer_version, of.graph.name
    del model.metadata_props[:], model.graph.value_info[:]
