"""Weights in 8 bits: what is saved, what it costs in exactness, and what is left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

import onnx  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from hypothesis.extra import numpy as hnp  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from torch import nn  # noqa: E402

from engines.bundle import Bundle  # noqa: E402
from engines.export import exported  # noqa: E402
from engines.models.audio import AudioTower  # noqa: E402
from engines.models.fusion import Fusion  # noqa: E402
from engines.models.rounding import exact_constants, round_weights  # noqa: E402
from engines.models.text import TextTower  # noqa: E402
from engines.opening import open_engines  # noqa: E402
from engines.ort import OrtRunner  # noqa: E402
from engines.parity import compare, random_inputs  # noqa: E402
from engines.quantise import is_small, rounded, store_small  # noqa: E402
from engines.reference import TorchRunner  # noqa: E402
from engines.spec import GRAPHS, GraphSpec, graph_specs  # noqa: E402
from tests.marks.network import marked_network  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.slow]

SPECS = graph_specs(64, 15_360, 64)
SIZES = {"F": 5, "N": 4, "V": 9, "A": 7, "L": 6, "vocabulary": 300, "segments": 4}


@given(
    hnp.arrays(np.float32, (5, 7), elements=st.floats(-1e3, 1e3, width=32)),
    st.sampled_from([0, 1]),
)
def test_no_value_moves_by_more_than_half_a_step_of_its_channel(weight: NDArray[np.float32], axis: int) -> None:
    values, scales = rounded(weight, axis)
    assert values.dtype == np.int8 and scales.dtype == np.float32
    assert (np.abs(values.astype(int)) <= 127).all() and (scales > 0).all()
    step = scales.reshape(-1, 1) if axis == 0 else scales.reshape(1, -1)
    assert (np.abs(values * step - weight) <= 0.5001 * step + 1e-12).all()


def parts() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    fusion = Fusion(64, 4)
    with torch.no_grad():
        fusion.audio.attention_gate.fill_(0.5)
        fusion.known_MD.normal_()
    return {"audio": AudioTower(64, 16_000), "text": TextTower(64, 300, 4), "fusion": fusion}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """Part -> its graph as it is, and in 8 bits."""
    folder = tmp_path_factory.mktemp("graphs")
    paths = {}
    for name, module in parts().items():
        model = exported(module.eval(), SPECS[name])
        small = store_small(model, exact_constants(module))
        assert is_small(small) and not is_small(model)
        paths[name] = (folder / f"{name}.onnx", folder / f"{name}.small.onnx")
        for graph, path in zip((model, small), paths[name], strict=True):
            onnx.save(graph, path)
    return paths


@pytest.mark.parametrize("name", ["audio", "text", "fusion"])
def test_a_graph_in_8_bits_says_nearly_the_same(stored: dict[str, tuple[Path, Path]], name: str) -> None:
    whole, small = stored[name]
    inputs = random_inputs(SPECS[name], SIZES, np.random.default_rng(0))
    with OrtRunner(whole, SPECS[name]) as left, OrtRunner(small, SPECS[name]) as right:
        one, other = left(inputs), right(inputs)
    for output in one:
        size = float(np.abs(one[output]).max())
        assert 0 < np.abs(one[output] - other[output]).max() <= 0.03 * size, output


def test_a_graph_in_8_bits_is_much_smaller(stored: dict[str, tuple[Path, Path]]) -> None:
    for whole, small in stored.values():
        model = onnx.load(small)
        left = sum(4 * np.prod(t.dims) for t in model.graph.initializer if t.data_type == TensorProto.FLOAT)
        held = whole.stat().st_size - left
        assert small.stat().st_size - left < 0.4 * held


def test_constants_that_are_not_learnt_stay_exact(stored: dict[str, tuple[Path, Path]]) -> None:
    kept = [numpy_helper.to_array(tensor) for tensor in onnx.load(stored["audio"][1]).graph.initializer]
    for buffer in AudioTower(64, 16_000).log_mel.buffers():
        assert any(np.array_equal(array, buffer.numpy()) for array in kept)


def test_the_clips_that_a_fusion_graph_keeps_are_in_8_bits(stored: dict[str, tuple[Path, Path]]) -> None:
    known_MD = parts()["fusion"].get_buffer("known_MD")
    for path, counts in zip(stored["fusion"], ((1, 0), (0, 1)), strict=True):
        tables = [t for t in onnx.load(path).graph.initializer if sorted(t.dims) == sorted(known_MD.shape)]
        kinds = [table.data_type for table in tables]
        assert (kinds.count(TensorProto.FLOAT), kinds.count(TensorProto.INT8)) == counts


def test_batch_norm_aside_rounding_before_training_leaves_nothing_to_lose(tmp_path: Path) -> None:
    modules = {"text": TextTower(64, 300, 4), "fusion": parts()["fusion"]}
    for name, module in modules.items():
        round_weights(module)
        spec = SPECS[name]
        small = store_small(exported(module.eval(), spec), exact_constants(module))
        onnx.save(small, tmp_path / f"{name}.onnx")
        inputs = random_inputs(spec, SIZES, np.random.default_rng(0))
        with OrtRunner(tmp_path / f"{name}.onnx", spec) as runner:
            assert compare(runner, TorchRunner(module, spec), [inputs]).worst <= 1e-4


@pytest.mark.parametrize("name", GRAPHS)
def test_a_bundle_in_8_bits_follows_its_network(marked_bundle: Bundle, name: str) -> None:
    network, spec = marked_network(), marked_bundle.graphs[name]
    inputs = random_inputs(spec, SIZES | {"vocabulary": 6}, np.random.default_rng(1))
    with open_engines(marked_bundle) as engines:
        stored, exact = getattr(engines, name)(inputs), TorchRunner(network.get_submodule(name), spec)(inputs)
    for output in stored.keys() - {"classes_FI"}:  # of equally probable classes either may come first
        assert np.abs(stored[output] - exact[output]).max() <= 0.05 * max(1.0, np.abs(exact[output]).max()), output


def graph(*nodes: onnx.NodeProto, shape: tuple[int, ...], out: tuple[int | str, ...]) -> onnx.ModelProto:
    """x (N, 40) through nodes that read the weight w."""
    weight = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    return helper.make_model(
        helper.make_graph(
            list(nodes),
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 40])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, out)],
            [numpy_helper.from_array(weight, "w")],
        ),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )


def test_a_weight_that_is_read_in_unlike_ways_is_left_alone() -> None:
    both = graph(
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Gemm", ["x", "w"], ["b"], transB=1),
        helper.make_node("Add", ["a", "b"], ["y"]),
        shape=(40, 40),
        out=("N", 40),
    )
    assert not is_small(store_small(both))
    other = graph(helper.make_node("Add", ["x", "w"], ["y"]), shape=(40, 40), out=(40, 40))
    assert not is_small(store_small(other))


def test_small_weights_are_left_alone() -> None:
    assert not is_small(
        store_small(graph(helper.make_node("MatMul", ["x", "w"], ["y"]), shape=(40, 20), out=("N", 20)))
    )


def test_what_a_graph_would_transpose_is_stored_transposed() -> None:
    turned = store_small(
        graph(
            helper.make_node("Transpose", ["w"], ["v"], perm=[1, 0]),
            helper.make_node("MatMul", ["x", "v"], ["y"]),
            shape=(50, 40),
            out=("N", 50),
        )
    )
    assert [node.op_type for node in turned.graph.node] == ["DequantizeLinear", "MatMul"]
    assert {tensor.name: tuple(tensor.dims) for tensor in turned.graph.initializer} == {
        "v.int8": (40, 50),
        "v.scale": (50,),
    }


def test_the_original_graph_is_not_touched() -> None:
    model = graph(helper.make_node("MatMul", ["x", "w"], ["y"]), shape=(40, 40), out=("N", 40))
    before = model.SerializeToString()
    assert is_small(store_small(model))
    assert model.SerializeToString() == before


def test_specs_hold_for_graphs_in_8_bits(stored: dict[str, tuple[Path, Path]]) -> None:
    from engines.ort import read_tensors, spec_fault

    def fault(spec: GraphSpec, path: Path) -> str | None:
        return spec_fault(spec, *read_tensors(path))

    assert [fault(SPECS[name], small) for name, (_, small) in stored.items()] == [None] * 3
    assert "expected" in (fault(SPECS["audio"], stored["text"][1]) or "")
