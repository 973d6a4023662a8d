"""Products in 8 bits: which, with what scales, how much noise they bring, and what is refused."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
import pytest

from engines.measure.graphs import only
from engines.precision import Precision, at_precision, layers_by_precision, simulated
from engines.precision.calibrate import MOST_NOISE, noise_between, quiet_together
from engines.precision.eight import quantised
from engines.precision.graph import View
from engines.precision.kinds import FP8, INT8
from engines.precision.ranges import Batches, Seen
from engines.precision.weights import rounded
from engines.spec import GRAPHS
from tests.engines.precision.shipped import given, graph, outputs
from tests.engines.precision.small import face, small

pytestmark = pytest.mark.train

RESIDUAL = """
    g (float[N, 4, 6, 6] x) => (float[N, 4, 6, 6] y) <float[4, 4, 1, 1] w, float[4, 1, 3, 3] each> {
        first = Conv (x, w)
        bent = Relu (first)
        second = Conv <group: int = 4, pads: ints = [1, 1, 1, 1]> (bent, each)
        sum = Add (bent, second)
        y = Conv (sum, w)
    }"""


def noise(plain: onnx.ModelProto, other: onnx.ModelProto, batches: Batches) -> float:
    found = noise_between(outputs(plain, batches), outputs(other, batches))
    found.pop("classes_FI", None)
    return max(found.values())


@pytest.mark.parametrize("precision", ["int8", "fp8"])
@pytest.mark.parametrize("name", GRAPHS)
def test_eight_bits_keep_the_face_and_bring_little_noise(name: str, precision: Precision) -> None:
    batches = given("world")[name]
    plain = at_precision(graph("world", name), "fp32")
    eight = at_precision(graph("world", name), precision, batches)
    assert face(eight) == face(plain)
    assert layers_by_precision(eight)[precision] > 0 or precision == "fp8"
    assert 0 < noise(plain, simulated(eight), batches) <= 2 * MOST_NOISE


def test_onnx_runtime_takes_both_as_they_are() -> None:
    batches = given("world")["text"]
    for precision in ("int8", "fp8"):
        eight = at_precision(graph("world", "text"), precision, batches)
        assert noise(at_precision(graph("world", "text"), "fp32"), eight, batches) <= 2 * MOST_NOISE


@pytest.mark.slow
def test_the_starters_tokens_survive_int8() -> None:
    batches = [{name: array[:2] for name, array in batch.items()} for batch in given("starter")["vision"][:3]]
    eye = only(graph("starter", "vision"), "tokens_FPD")
    plain, eight = at_precision(eye, "fp32"), at_precision(eye, "int8", batches)
    assert layers_by_precision(eight)["int8"] > 20
    assert noise(plain, simulated(eight), batches) <= 2 * MOST_NOISE
    for one, other in zip(*(outputs(m, batches)["tokens_FPD"] for m in (plain, simulated(eight))), strict=True):
        cosines = (one * other).sum(-1) / np.linalg.norm(one, axis=-1) / np.linalg.norm(other, axis=-1)
        assert cosines.min() >= 0.99


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    at_precision(
        graph("world", "vision"), "int8", given("world")["vision"], on_tried=lambda done, of: told.append((done, of))
    )
    assert told == [(n, len(told)) for n in range(1, len(told) + 1)]


def test_without_batches_there_is_nothing_to_measure() -> None:
    for precision in ("int8", "fp8"):
        with pytest.raises(ValueError, match=f"{precision}: came no batches, expected inputs of real clips"):
            at_precision(graph("world", "text"), precision)


def test_a_sum_with_a_convolution_reads_the_eight_bits_that_the_next_product_reads() -> None:
    view = View(quantised(small(RESIDUAL), {0: 4.0, 1: 3.0, 2: 5.0}, INT8))
    (add,) = (node for node in view.nodes if node.op_type == "Add")
    assert list(add.input) == ["bent.int8.float", "second"]
    assert sum(node.op_type == "QuantizeLinear" for node in view.nodes) == 3
    view = View(quantised(small(RESIDUAL), {0: 4.0, 2: 5.0}, INT8))
    (add,) = (node for node in view.nodes if node.op_type == "Add")
    assert list(add.input) == ["bent", "second"]


def test_weights_have_a_scale_for_each_channel_and_what_they_scale_says_the_type() -> None:
    for precision, element in (("fp32", onnx.TensorProto.FLOAT), ("fp16", onnx.TensorProto.FLOAT16)):
        view = View(quantised(at_precision(small(RESIDUAL), precision), {0: 4.0, 1: 3.0, 2: 5.0}, INT8))
        scales = {name: tensor for name, tensor in view.constants.items() if name.endswith(".scale")}
        assert {tensor.data_type for tensor in scales.values()} == {element}
        assert sorted(tuple(tensor.dims) for tensor in scales.values()) == [(), (), (), (4,), (4,)]


def test_convolutions_are_left_out_of_float8() -> None:
    shape = (2, 4, 6, 6)
    batches = [{"x": np.random.default_rng(0).standard_normal(shape).astype(np.float32)}]
    assert "fp8" not in layers_by_precision(at_precision(small(RESIDUAL), "fp8", batches))


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_no_weight_lies_beyond_the_greatest_value(dtype: type[np.floating]) -> None:
    weight = (np.random.default_rng(1).standard_normal((64, 32)) * np.geomspace(1e-4, 10, 32)).astype(dtype)
    weight[:, 3] = 0
    values, scales = rounded(weight, INT8, 1)
    assert values.dtype == np.int8 and np.abs(values.astype(int)).max() == 127
    assert (np.abs(values * scales.astype(np.float64) - weight) <= scales.astype(np.float64)).all()
    values, scales = rounded(weight, FP8, None)
    assert values.dtype == ml_dtypes.float8_e4m3fn and scales.shape == ()
    assert np.isfinite(values.astype(np.float32)).all() and 400 < np.abs(values.astype(np.float32)).max() <= 448


def test_weights_that_a_bundle_rounded_are_not_rounded_again() -> None:
    steps = np.random.default_rng(2).integers(-126, 127, (64, 16))
    steps[0] = 127
    scales = np.geomspace(0.001, 0.1, 16).astype(np.float32)
    values, again = rounded((steps * scales).astype(np.float32), INT8, 1)
    assert np.array_equal(values, steps) and np.allclose(again, scales, rtol=1e-6)


def test_errors_of_weights_cancel_under_each_kernel_and_for_each_channel() -> None:
    weight = np.random.default_rng(5).uniform(0.1, 1, (8, 6, 3, 3))
    values, scales = rounded(weight, INT8, 0)
    errors = weight / scales.reshape(-1, 1, 1, 1) - values
    assert np.abs(errors).max() <= 1 and np.abs(errors.sum((1, 2, 3))).max() <= 0.5 + 1e-9
    assert np.abs(errors.sum((2, 3))).max() <= 1.5
    to_nearest = weight / scales.reshape(-1, 1, 1, 1) - np.rint(weight / scales.reshape(-1, 1, 1, 1))
    assert np.abs(to_nearest.sum((1, 2, 3))).max() > 1


def test_more_noise_buys_more_products_in_eight_bits() -> None:
    batches = given("world")["vision"]
    counts = [
        layers_by_precision(at_precision(graph("world", "vision"), "int8", batches, most_noise=share)).get("int8", 0)
        for share in (0.0, 1.0)
    ]
    assert counts == [0, 5]


def test_outliers_are_cut_off_and_even_values_are_not() -> None:
    rng = np.random.default_rng(3)
    even = Seen(1.0, [rng.uniform(0, 1, 10_000).astype(np.float32)])
    assert even.cut(127) > 0.95
    rare = Seen(50.0, [np.abs(rng.normal(0, 1, 100_000)).astype(np.float32), np.float32([50.0])])
    assert 3 < rare.cut(127) < 40
    assert Seen(0.0, [np.zeros(8, np.float32)]).cut(127) == 0


def test_the_loudest_stay_out_until_the_rest_are_quiet_at_every_output() -> None:
    share = MOST_NOISE / 4
    noise = {"a": {"y": share, "z": 0.0}, "b": {"y": 9 * share, "z": 0.0}, "c": {"y": share, "z": 5 * share}}
    assert quiet_together(noise, MOST_NOISE) == {"a"}
    assert quiet_together({"a": {"y": share}}, MOST_NOISE) == {"a"}
    assert quiet_together({}, MOST_NOISE) == set()


def test_probabilities_are_compared_as_logits() -> None:
    rare = np.full(1000, 0.0002, np.float32)
    rare[:10] = 0.9
    off = rare.copy()
    off[:10] = 0.8
    assert noise_between({"p": [rare]}, {"p": [off]})["p"] < 0.02
    assert noise_between({"p": [10 * rare]}, {"p": [10 * off]})["p"] > 0.01
