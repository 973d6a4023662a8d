"""The ONNX Runtime runner: splitting, lifecycle, errors that name both sides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from engines.bundle import Bundle
from engines.engine_set import EngineSet
from engines.opening import open_engines
from engines.ort import CUDA, OrtOptions, OrtRunner
from engines.parity import compare, random_inputs
from engines.runner import RunnerError
from engines.spec import GRAPHS, graph_specs

SIZES = {"F": 7, "N": 5, "V": 12, "A": 8, "L": 6, "vocabulary": 20, "segments": 4}


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("chunk", [1, 2, 3, 100])
def test_splitting_changes_nothing_that_counts(world_bundle: Bundle, graph: str, chunk: int) -> None:
    inputs = random_inputs(world_bundle.graphs[graph], SIZES, np.random.default_rng(1))
    path, spec = world_bundle.graph_path(graph), world_bundle.graphs[graph]
    with OrtRunner(path, spec) as whole, OrtRunner(path, spec, OrtOptions(chunk=chunk)) as split:
        parity = compare(whole, split, [inputs])
        assert parity.worst <= 1e-5
        assert {tensor.name for tensor in spec.outputs} == set(parity.errors)


def test_more_rows_than_the_spec_allows_are_split(world_bundle: Bundle) -> None:
    spec = world_bundle.graphs["text"]
    rows = spec.ranges["N"].maximum + 3
    inputs = random_inputs(spec, SIZES | {"N": rows, "L": 2}, np.random.default_rng(1))
    with OrtRunner(world_bundle.graph_path("text"), spec, OrtOptions(chunk=10_000)) as runner:
        assert runner(inputs)["tokens_NLD"].shape == (rows, 2, world_bundle.embedding_size)


def test_outputs_belong_to_the_caller(world_bundle: Bundle) -> None:
    spec = world_bundle.graphs["text"]
    rng = np.random.default_rng(1)
    with OrtRunner(world_bundle.graph_path("text"), spec) as runner:
        first = runner(random_inputs(spec, SIZES, rng))["tokens_NLD"]
        kept = first.copy()
        runner(random_inputs(spec, SIZES, rng))
        assert (first == kept).all()


def test_needs_its_with_block(world_bundle: Bundle) -> None:
    spec = world_bundle.graphs["text"]
    inputs = random_inputs(spec, SIZES, np.random.default_rng(1))
    runner = OrtRunner(world_bundle.graph_path("text"), spec)
    with pytest.raises(RunnerError, match="text: called outside its `with` block"):
        runner(inputs)
    with runner:
        runner(inputs)
    with pytest.raises(RunnerError, match="outside"):
        runner(inputs)


def test_unfitting_inputs_are_the_callers_mistake(world_bundle: Bundle) -> None:
    with OrtRunner(world_bundle.graph_path("vision"), world_bundle.graphs["vision"]) as runner:
        with pytest.raises(ValueError, match="frames_FCHW: came float32"):
            runner({"frames_FCHW": np.zeros((1, 3, 64, 64), np.float32)})
        with pytest.raises(ValueError, match="vision: came 0 rows, expected 1 or more"):
            runner({"frames_FCHW": np.zeros((0, 3, 64, 64), np.uint8)})


def test_a_failing_run_is_a_runner_error(world_bundle: Bundle) -> None:
    spec = world_bundle.graphs["text"]
    inputs = random_inputs(spec, SIZES, np.random.default_rng(1))
    inputs["ids_NL"] = np.full_like(inputs["ids_NL"], 10**9)
    with (
        OrtRunner(world_bundle.graph_path("text"), spec) as runner,
        pytest.raises(RunnerError, match=r"text: onnxruntime-.* failed on .*ids_NL"),
    ):
        runner(inputs)


def test_a_graph_of_another_spec_is_refused(world_bundle: Bundle) -> None:
    other = graph_specs(frame_pixels=32, window_samples=15_360, embedding_size=64)["vision"]
    runner = OrtRunner(world_bundle.graph_path("vision"), other)
    with pytest.raises(RunnerError, match=r"3, 64, 64\), expected uint8\('F', 3, 32, 32\)"), runner:
        raise AssertionError("the graph was accepted")


def test_a_missing_file_is_a_runner_error(world_bundle: Bundle, tmp_path: Path) -> None:
    runner = OrtRunner(tmp_path / "none.onnx", world_bundle.graphs["vision"])
    with pytest.raises(RunnerError, match=r"none\.onnx: ONNX Runtime .* cannot load it"), runner:
        raise AssertionError("the graph was accepted")


@pytest.mark.parametrize(("name", "value", "least"), [("threads", 0, 1), ("chunk", 0, 1), ("device", -1, 0)])
def test_options_are_checked(name: str, value: int, least: int) -> None:
    with pytest.raises(ValueError, match=f"{name}: came {value}, expected {least} or more"):
        OrtOptions(**{name: value})


def test_a_runtime_without_cuda_says_which_package_has_it(world_bundle: Bundle) -> None:
    spec = world_bundle.graphs["text"]
    runner = OrtRunner(world_bundle.graph_path("text"), spec, OrtOptions(provider="cuda"))
    with pytest.raises(RunnerError, match=r"expected CUDAExecutionProvider .*onnxruntime-gpu"), runner:
        raise AssertionError("it ran on the CPU in secret")
    with pytest.raises(RunnerError, match="outside"):
        runner(random_inputs(spec, SIZES, np.random.default_rng(1)))


def test_a_cuda_that_fails_to_load_is_no_reason_to_run_on_the_cpu(
    world_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime is told that it has CUDA, and goes on without, as it does where cuDNN is missing."""
    there = [*onnxruntime.get_available_providers(), CUDA]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: there)
    runner = OrtRunner(world_bundle.graph_path("text"), world_bundle.graphs["text"], OrtOptions(provider="cuda"))
    with (
        pytest.warns(UserWarning, match="CUDAExecutionProvider"),
        pytest.raises(RunnerError, match=r"came \['CPUExecutionProvider'\], expected CUDA"),
        runner,
    ):
        raise AssertionError("it ran on the CPU in secret")


def test_the_engine_says_that_it_is_on_a_gpu(world_bundle: Bundle) -> None:
    path, spec = world_bundle.graph_path("text"), world_bundle.graphs["text"]
    assert OrtRunner(path, spec, OrtOptions(provider="cuda")).engine.endswith("-cuda")


def test_engine_set_closes_what_it_opened(world_bundle: Bundle, tmp_path: Path) -> None:
    vision = OrtRunner(world_bundle.graph_path("vision"), world_bundle.graphs["vision"])
    broken = OrtRunner(tmp_path / "none.onnx", world_bundle.graphs["audio"])
    engines = EngineSet(vision=vision, audio=broken, text=broken, fusion=broken)
    with pytest.raises(RunnerError, match="cannot load"), engines:
        raise AssertionError("the graph was accepted")
    with pytest.raises(RunnerError, match="outside"):
        vision(random_inputs(vision.spec, SIZES, np.random.default_rng(1)))


def test_engine_is_named_for_lineage(world_bundle: Bundle) -> None:
    with open_engines(world_bundle) as engines:
        name, version, device = engines.engine.split("-")
    assert (name, device) == ("onnxruntime", "cpu")
    assert version[0].isdigit()
