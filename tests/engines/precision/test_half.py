"""Products in 16 bits: nearly the same numbers, the same face to callers, casts at borders only."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest

from engines.precision import Precision, at_precision, layers_by_precision, simulated
from engines.precision.calibrate import noise_between
from engines.precision.graph import View
from tests.engines.precision.shipped import EVERY_GRAPH, given, graph, outputs
from tests.engines.precision.small import face, small

pytestmark = pytest.mark.train

#: Of an output's variance, what rounding to 11 or 8 bits may add.
NOISE: dict[Precision, float] = {"fp16": 2e-4, "bf16": 1e-2}
FLOATS = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16}
#: Turn one type into another, or take any.
CONVERTERS = {"Cast", "QuantizeLinear", "DequantizeLinear", "Shape"}


def types(model: onnx.ModelProto) -> dict[str, str]:
    """Operator and output -> type that it gives."""
    view = View(model)
    return {
        f"{node.op_type} {node.output[0]}": onnx.TensorProto.DataType.Name(view.types[node.output[0]])
        for node in view.nodes
    }


@pytest.mark.parametrize(("bundle", "name"), EVERY_GRAPH)
def test_float32_is_the_shipped_graph(bundle: str, name: str) -> None:
    plain = at_precision(graph(bundle, name), "fp32")
    assert face(plain) == face(graph(bundle, name))
    assert not any("Linear" in node.op_type for node in plain.graph.node)
    came, wanted = outputs(plain, given(bundle)[name]), outputs(graph(bundle, name), given(bundle)[name])
    if name == "vision" and bundle == "starter":  # whose convolutions may compute in integers
        assert max(noise_between(wanted, came).values()) <= 0.1
        return
    for tensor, arrays in wanted.items():
        for one, other in zip(arrays, came[tensor], strict=True):
            assert np.allclose(one, other, rtol=1e-4, atol=1e-5), tensor


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
@pytest.mark.parametrize(("bundle", "name"), EVERY_GRAPH)
def test_sixteen_bits_say_nearly_the_same(bundle: str, name: str, precision: Precision) -> None:
    plain, batches = at_precision(graph(bundle, name), "fp32"), given(bundle)[name]
    half = at_precision(graph(bundle, name), precision)
    assert face(half) == face(plain)
    assert layers_by_precision(half)[precision] > 0
    noise = noise_between(outputs(plain, batches), outputs(simulated(half), batches))
    noise.pop("classes_FI", None)  # indices: equally probable ones change places
    assert 0 < max(noise.values()) <= NOISE[precision], noise


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
@pytest.mark.parametrize(("bundle", "name"), EVERY_GRAPH)
def test_types_meet_in_casts_only_and_each_tensor_is_cast_once(bundle: str, name: str, precision: Precision) -> None:
    view = View(at_precision(graph(bundle, name), precision))
    for node in view.nodes:
        if node.op_type not in CONVERTERS:
            assert len({view.types[tensor] for tensor in node.input if tensor} & FLOATS) <= 1, node.name
    casts = [node for node in view.nodes if node.op_type == "Cast" and view.types[node.input[0]] in FLOATS]
    assert {node.output[0] for node in casts}.isdisjoint(node.input[0] for node in casts)
    assert max(Counter((node.input[0], node.attribute[0].i) for node in casts).values(), default=0) <= 1
    made = {node.output[0] for node in view.nodes}
    assert all(node.input[0] in made or node.input[0] in view.values for node in casts), "constants are cast beforehand"


def test_onnx_runtime_takes_float16_as_it_is() -> None:
    for name in ("vision", "fusion"):
        half, batches = at_precision(graph("world", name), "fp16"), given("world")[name]
        noise = noise_between(outputs(at_precision(graph("world", name), "fp32"), batches), outputs(half, batches))
        assert 0 < max(noise.values()) <= NOISE["fp16"]


def test_spectra_stay_in_float32_up_to_their_logarithm() -> None:
    for bundle in ("world", "starter"):
        view = View(at_precision(graph(bundle, "audio"), "fp16"))
        logarithms = [place for place, node in enumerate(view.nodes) if node.op_type == "Log"]
        above = view.above(logarithms)
        assert len(above) > 10
        made = {view.types[tensor] for place in above for tensor in view.nodes[place].output}
        assert onnx.TensorProto.FLOAT16 not in made


def test_masks_norms_and_what_ends_a_graph_stay_in_float32() -> None:
    view = View(at_precision(graph("starter", "fusion"), "fp16"))
    halves = [node for node in view.nodes if view.types[node.output[0]] == onnx.TensorProto.FLOAT16]
    assert {node.op_type for node in halves}.isdisjoint(
        {"Exp", "Log", "ReduceL2", "Sqrt", "Pow", "ReduceSum", "Softmax"}
    )
    stored = [tensor for tensor in view.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT16]
    assert all(np.isfinite(onnx.numpy_helper.to_array(tensor)).all() for tensor in stored)


def test_what_lies_between_two_products_is_in_sixteen_bits_and_the_rest_is_not() -> None:
    model = small("""
        g (float[N, 4] x, float[N, 4] other) => (float[N, 4] y)
        <float[4, 4] w, float[4] b = {1, 2, 3, 4}> {
            first = MatMul (x, w)
            biased = Add (first, b)
            bent = Relu (biased)
            mixed = Add (bent, other)
            second = MatMul (bent, w)
            y = Softmax (second)
        }""")
    made = types(at_precision(model, "fp16"))
    assert made["Add biased"] == made["Relu bent"] == made["MatMul second"] == "FLOAT16"
    assert made["Add mixed"] == made["Softmax y"] == "FLOAT"


def test_constants_that_sixteen_bits_cannot_hold_keep_their_node() -> None:
    for value in ("-1e9", "1e-9"):
        model = small(f"""
            g (float[N, 4] x) => (float[N, 4] y)
            <float[4, 4] w, float[1] c = {{{value}}}> {{
                first = MatMul (x, w)
                moved = Add (first, c)
                y = MatMul (moved, w)
            }}""")
        assert types(at_precision(model, "fp16"))["Add moved"] == "FLOAT"
        assert types(at_precision(model, "bf16"))["Add moved"] == "BFLOAT16"


def test_look_ups_and_constants_follow_those_who_read_them() -> None:
    model = small("""
        g (float[N, 2, 4] x, int64[N, 2] ids) => (float[N, 5, 4] y)
        <float[4, 4] w, float[1, 1, 4] register = {1, 2, 3, 4},
         float[2, 4] table = {1, 2, 3, 4, 5, 6, 7, 8}, int64[2] tail = {1, 4}> {
            first = MatMul (x, w)
            rows = Shape <start: int = 0, end: int = 1> (ids)
            shape = Concat <axis: int = 0> (rows, tail)
            registers = Expand (register, shape)
            words = Gather <axis: int = 0> (table, ids)
            all = Concat <axis: int = 1> (registers, first, words)
            y = MatMul (all, w)
        }""")
    made = types(at_precision(model, "fp16"))
    assert made["Expand registers"] == made["Gather words"] == made["Concat all"] == "FLOAT16"


def test_pictures_are_cast_straight_where_engines_can() -> None:
    for precision, wanted in (("fp16", "FLOAT16"), ("bf16", "FLOAT")):
        view = View(at_precision(graph("world", "vision"), precision))
        (first,) = (node for node in view.nodes if node.input[0] == "frames_FCHW")
        assert onnx.TensorProto.DataType.Name(view.types[first.output[0]]) == wanted


def test_bfloat16_asks_for_a_graph_whose_operators_take_it() -> None:
    model = small("g (float[N, 4] x) => (float[N, 4] y) <float[4, 4] w> { y = MatMul (x, w) }")
    model.opset_import[0].version = 17
    with pytest.raises(ValueError, match="came opset 17, expected a graph exported at opset 22"):
        at_precision(model, "bf16")
    assert layers_by_precision(at_precision(model, "fp16"))["fp16"] == 1


def test_graphs_that_branch_or_are_quantised_otherwise_are_refused() -> None:
    branch = small("""
        g (bool c) => (float y) {
            y = If (c) <
                then_branch = a () => (float one) { one = Constant <value_float: float = 1.0> () },
                else_branch = b () => (float two) { two = Constant <value_float: float = 2.0> () }
            >
        }""")
    with pytest.raises(ValueError, match=r"came If .* expected a graph without branches"):
        at_precision(branch, "fp16")
    quantised = small("g (uint8[N] x) => (float[N] y) <float s = {0.5}> { y = DequantizeLinear (x, s) }")
    with pytest.raises(ValueError, match=r"came DequantizeLinear .* expected a float32 graph"):
        at_precision(quantised, "fp32")
    with pytest.raises(ValueError, match=r"came 'fp12', expected one of \['fp32', 'fp16'"):
        at_precision(graph("world", "text"), "fp12")  # type: ignore[arg-type]
