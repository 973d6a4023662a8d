"""The runner on a double that is stricter than a device: the same outputs as ONNX Runtime, whatever came before."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from engines.bundle import Bundle
from engines.gpu.buckets import Shape
from engines.gpu.lanes import LANES
from engines.parity import compare
from engines.runner import RunnerError
from engines.spec import GRAPHS, Array
from engines.testing import HostCompiler, HostDevice
from engines.trt import TrtRunner
from tests.engines.gpu.doubles import BUCKETS, TOLERANCE, Watched, inputs_of, ort_of, plan_of, runner_of


def shapes(graph: str) -> list[Shape]:
    """All rows from 1 to beyond two runs of the largest bucket, with as few and as many tokens as there is room for."""
    *_, largest = BUCKETS[graph]
    return [
        (rows, *(1 + (rows + axis) % size for axis, size in enumerate(largest[1:])))
        for rows in range(1, 2 * largest[0] + 2)
    ]


@pytest.mark.parametrize("graph", GRAPHS)
def test_outputs_are_those_of_onnx_runtime(world_bundle: Bundle, device: HostDevice, graph: str) -> None:
    batches = [inputs_of(world_bundle, graph, shape, seed) for seed, shape in enumerate(shapes(graph))]
    with runner_of(world_bundle, graph, device) as runner, ort_of(world_bundle, graph) as ort:
        parity = compare(runner, ort, batches)
        assert runner.captured
    assert parity.worst <= TOLERANCE
    assert {tensor.name for tensor in world_bundle.graphs[graph].outputs} == set(parity.errors)


@pytest.mark.parametrize("graph", GRAPHS)
def test_shapes_at_every_edge_of_a_bucket(world_bundle: Bundle, device: HostDevice, graph: str) -> None:
    edges = {tuple(max(1, size + step) for size in bucket) for bucket in BUCKETS[graph] for step in (-1, 0)} | {
        (bucket[0] + 1, *bucket[1:]) for bucket in BUCKETS[graph]
    }
    batches = [inputs_of(world_bundle, graph, shape) for shape in sorted(edges)]
    with runner_of(world_bundle, graph, device) as runner, ort_of(world_bundle, graph) as ort:
        assert compare(runner, ort, batches).worst <= TOLERANCE


def poisoned(batch: dict[str, Array]) -> dict[str, Array]:
    """The same batch, with no number anywhere where numbers may be none."""
    return {name: np.full_like(array, np.nan) if array.dtype.kind == "f" else array for name, array in batch.items()}


@pytest.mark.parametrize("graph", GRAPHS)
def test_what_ran_before_leaves_nothing_behind(world_bundle: Bundle, device: HostDevice, graph: str) -> None:
    """Rows and tokens of a larger batch lie beside those of a smaller one; here they are no numbers."""
    *_, largest = BUCKETS[graph]
    full = poisoned(inputs_of(world_bundle, graph, largest))
    small = inputs_of(world_bundle, graph, tuple(max(1, size // 2) for size in largest))
    with runner_of(world_bundle, graph, device, (largest,)) as runner, ort_of(world_bundle, graph) as ort:
        expected = ort(small)
        for _ in range(LANES):  # every lane has had them
            runner(full)
        outputs = runner(small)
    for name, array in expected.items():
        np.testing.assert_allclose(outputs[name], array, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("graph", GRAPHS)
def test_outputs_belong_to_the_caller(world_bundle: Bundle, device: HostDevice, graph: str) -> None:
    *_, largest = BUCKETS[graph]
    with runner_of(world_bundle, graph, device) as runner:
        first = runner(inputs_of(world_bundle, graph, largest, seed=1))
        for array in first.values():
            array[...] = 7
        for seed in range(2, 5):
            runner(inputs_of(world_bundle, graph, largest, seed))
    assert all((array == 7).all() for array in first.values())


def test_inputs_may_be_changed_as_soon_as_a_call_has_started(world_bundle: Bundle, device: HostDevice) -> None:
    batch = inputs_of(world_bundle, "vision", (5,))
    with runner_of(world_bundle, "vision", device) as runner, ort_of(world_bundle, "vision") as ort:
        expected = ort(batch)["tokens_FPD"]
        wait = runner.start(batch)
        batch["frames_FCHW"][...] = 0
        np.testing.assert_allclose(wait()["tokens_FPD"], expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
@pytest.mark.parametrize("graph", GRAPHS)
def test_calls_in_flight_together(world_bundle: Bundle, device: HostDevice, graph: str, order: tuple[int, ...]) -> None:
    """More calls than lanes, some of several runs, waited for in any order and twice."""
    *_, largest = BUCKETS[graph]
    tokens = largest[1:]
    batches = [inputs_of(world_bundle, graph, (rows, *tokens), rows) for rows in (1, 2 * largest[0] + 1, 3, largest[0])]
    with runner_of(world_bundle, graph, device) as runner, ort_of(world_bundle, graph) as ort:
        waits = [runner.start(batch) for batch in batches]
        for place in (*order, *order):
            for name, array in ort(batches[place]).items():
                np.testing.assert_allclose(waits[place]()[name], array, atol=TOLERANCE, rtol=0)


def test_each_lane_runs_while_the_other_one_is_filled(world_bundle: Bundle, device: HostDevice) -> None:
    """Two starts wait for nothing; the third one has to wait for the lane that it takes."""
    compiler, watched = HostCompiler(device), Watched(device)
    plan = plan_of(world_bundle, "vision", compiler, ((2,),))
    batch = inputs_of(world_bundle, "vision", (2,))
    with TrtRunner(plan, world_bundle.graphs["vision"], watched, compiler) as runner:
        waited = []
        for _ in range(LANES + 1):
            runner.start(batch)
            waited.append(watched.calls["await_on_host"])
    assert waited == [0] * LANES + [1]


#: What a call may ask of the device: nothing that takes memory or makes anything.
STEADY = {
    *("activate", "copy_in", "copy_out", "launch", "record", "await_event", "await_on_host"),
}


@pytest.mark.parametrize("graph", GRAPHS)
def test_nothing_is_taken_after_the_start(world_bundle: Bundle, device: HostDevice, graph: str) -> None:
    compiler, watched = HostCompiler(device), Watched(device)
    plan = plan_of(world_bundle, graph, compiler)
    with TrtRunner(plan, world_bundle.graphs[graph], watched, compiler) as runner:
        held, taken = device.held, runner.device_bytes()
        watched.calls.clear()
        for seed, shape in enumerate(shapes(graph)):
            runner(inputs_of(world_bundle, graph, shape, seed))
        assert set(watched.calls) == STEADY
        assert (device.held, runner.device_bytes()) == (held, taken)


@pytest.mark.parametrize("graph", GRAPHS)
def test_all_is_given_back(world_bundle: Bundle, device: HostDevice, graph: str) -> None:
    free = device.free_bytes()
    runner = runner_of(world_bundle, graph, device)
    for _ in range(2):
        with runner:
            runner(inputs_of(world_bundle, graph, (1,) * len(world_bundle.graphs[graph].ranges)))
            assert device.held > 0
            assert 0 < free - device.free_bytes() <= runner.device_bytes()
        assert (device.held, device.free_bytes(), runner.device_bytes()) == (0, free, 0)


def test_what_is_still_in_flight_ends_before_its_memory_is_given_back(world_bundle: Bundle, device: HostDevice) -> None:
    """The double runs what is left when a stream is closed; with its memory gone by then it would write anywhere."""
    order: list[str] = []

    class Noting(HostDevice):
        def close_stream(self, stream: int) -> None:
            super().close_stream(stream)
            order.append("stream")

        def release(self, address: int) -> None:
            super().release(address)
            order.append("memory")

        def unpin(self, memory: np.ndarray) -> None:
            super().unpin(memory)
            order.append("memory")

    noting = Noting()
    with runner_of(world_bundle, "vision", noting) as runner:
        runner.start(inputs_of(world_bundle, "vision", (9,)))
    assert order == ["stream"] * 3 + ["memory"] * (len(order) - 3)
    assert noting.held == 0


def test_every_thread_binds_itself_to_the_device(world_bundle: Bundle, device: HostDevice) -> None:
    """`Watched` refuses calls of threads that are not bound."""
    compiler = HostCompiler(device)
    watched = Watched(device)
    plan = plan_of(world_bundle, "text", compiler)
    runner = TrtRunner(plan, world_bundle.graphs["text"], watched, compiler)
    batch = inputs_of(world_bundle, "text", (3, 4))
    faults: list[BaseException] = []

    def elsewhere(work: object) -> None:
        def told() -> None:
            try:
                work()  # type: ignore[operator]
            except BaseException as error:
                faults.append(error)

        thread = threading.Thread(target=told)
        thread.start()
        thread.join()

    waits = []
    elsewhere(runner.__enter__)
    elsewhere(lambda: waits.append(runner.start(batch)))
    elsewhere(lambda: waits[0]())
    elsewhere(lambda: runner.__exit__(None, None, None))
    assert faults == []
    assert device.held == 0


def test_needs_its_with_block(world_bundle: Bundle, device: HostDevice) -> None:
    runner = runner_of(world_bundle, "vision", device)
    batch = inputs_of(world_bundle, "vision", (1,))
    refused = pytest.raises(RunnerError, match="vision: called outside its `with` block")
    with refused:
        runner(batch)
    with runner:
        wait = runner.start(batch)
    for call in (lambda: runner(batch), lambda: runner.start(batch), wait):
        with pytest.raises(RunnerError, match="vision: called outside its `with` block"):
            call()
    assert device.held == 0
    assert not runner.captured


def test_unfitting_inputs_are_the_callers_mistake(world_bundle: Bundle, device: HostDevice) -> None:
    batch = inputs_of(world_bundle, "fusion", (1, 2, 2, 2))
    with runner_of(world_bundle, "fusion", device) as runner, ort_of(world_bundle, "fusion") as ort:
        with pytest.raises(ValueError, match="vision_NVD: came float64"):
            runner(batch | {"vision_NVD": batch["vision_NVD"].astype(np.float64)})
        with pytest.raises(ValueError, match="fusion: came 0 rows, expected 1 or more"):
            runner({name: array[:0] for name, array in batch.items()})
        with pytest.raises(ValueError, match=r"came \(13, 2, 2\) tokens, expected at most \(12, 8, 9\)"):
            runner(inputs_of(world_bundle, "fusion", (1, 13, 2, 2)))
        assert compare(runner, ort, [batch]).worst <= TOLERANCE  # nothing was lost by that


def test_says_what_it_is(world_bundle: Bundle, device: HostDevice) -> None:
    runner = runner_of(world_bundle, "fusion", device)
    assert runner.engine == "double-1.0-fp32"
    assert runner.spec == world_bundle.graphs["fusion"]
    assert runner.bucket_rows == (2, 4, 5)
