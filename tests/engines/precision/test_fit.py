"""What TensorRT wants otherwise has the same values."""

from __future__ import annotations

import numpy as np
import pytest

from engines.precision import fit_for_tensorrt
from engines.spec import GRAPHS
from tests.engines.precision.shipped import BUNDLES, given, graph, outputs
from tests.engines.precision.small import face, small

pytestmark = pytest.mark.train

#: Every operator of the graphs that ship, as of TensorRT 10.6 (onnx-tensorrt, docs/operators.md), less its loops.
TAKEN = frozenset(
    [
        "Abs",
        "Add",
        "And",
        "AveragePool",
        "Cast",
        "Clip",
        "Concat",
        "Conv",
        "Cos",
        "DequantizeLinear",
        "Div",
        "Equal",
        "Exp",
        "Expand",
        "Gather",
        "Gelu",
        "Gemm",
        "Greater",
        "LayerNormalization",
        "LessOrEqual",
        "Log",
        "MatMul",
        "Max",
        "MaxPool",
        "Mul",
        "Pad",
        "Pow",
        "QuantizeLinear",
        "Range",
        "ReduceL2",
        "ReduceMax",
        "ReduceMean",
        "ReduceSum",
        "Relu",
        "Reshape",
        "Shape",
        "Sigmoid",
        "Sin",
        "Slice",
        "Softmax",
        "Split",
        "Sqrt",
        "Squeeze",
        "Sub",
        "Tanh",
        "TopK",
        "Transpose",
        "Unsqueeze",
        "Where",
    ]
)


@pytest.mark.parametrize("bundle", BUNDLES)
def test_positions_are_counted_without_a_loop(bundle: str) -> None:
    shipped, batches = graph(bundle, "text"), given(bundle)["text"]
    fit = fit_for_tensorrt(shipped)
    assert "CumSum" in {node.op_type for node in shipped.graph.node}
    assert face(fit) == face(shipped)
    for one, other in zip(*(outputs(model, batches)["tokens_NLD"] for model in (shipped, fit)), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("bundle", BUNDLES)
@pytest.mark.parametrize("name", GRAPHS)
def test_every_operator_that_ships_is_taken(bundle: str, name: str) -> None:
    assert {node.op_type for node in fit_for_tensorrt(graph(bundle, name)).graph.node} <= TAKEN


@pytest.mark.parametrize("exclusive", [0, 1])
@pytest.mark.parametrize("reverse", [0, 1])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("dtype", ["float", "int64"])
def test_running_sums_are_what_they_were(exclusive: int, reverse: int, axis: int, dtype: str) -> None:
    model = small(f"""
        g ({dtype}[A, B, C] x) => ({dtype}[A, B, C] y) <int64 axis = {{{axis}}}> {{
            y = CumSum <exclusive: int = {exclusive}, reverse: int = {reverse}> (x, axis)
        }}""")
    x = (100 * np.random.default_rng(4).standard_normal((3, 4, 5))).astype(np.float32 if dtype == "float" else dtype)
    (one,), (other,) = (outputs(each, [{"x": x}])["y"] for each in (model, fit_for_tensorrt(model)))
    assert np.array_equal(one, other) if dtype == "int64" else np.allclose(one, other, rtol=1e-5, atol=1e-4)


def test_what_cannot_be_fitted_is_refused() -> None:
    computed = small("g (float[N] x, int64 axis) => (float[N] y) { y = CumSum (x, axis) }")
    with pytest.raises(ValueError, match="along a computed axis, expected a constant"):
        fit_for_tensorrt(computed)
