"""Runs on a GPU: the outputs of ONNX Runtime, as CUDA graphs, whatever came before, in memory that does not grow."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pytest

from engines.bundle import Bundle
from engines.gpu.buckets import Shape
from engines.gpu.fit import precision_of
from engines.gpu.machine import Machine
from engines.runner import Runner
from engines.spec import GRAPHS, Array, Precision
from tests.engines.gpu.doubles import BUCKETS, inputs_of, ort_of
from tests.gpu.conftest import RunnerOf

pytestmark = pytest.mark.gpu

#: Largest error, as a share of the largest value of the tensor. On the CPU the world bundle's graphs in float16 differ
#: from those in float32 by at most 8.6e-4 (ONNX Runtime 1.32, `BUCKETS`, four seeds), and a GPU adds in another order.
#: Float32 with 10 bits (TF32) would be found out.
TOLERANCES: Mapping[Precision, float] = {"fp32": 1e-4, "fp16": 5e-3}

BATCHES = 2_000

#: What the driver hands out at once.
PAGE_BYTES = 2 << 20

#: Of the process: a leak of 4 KiB a batch is found.
RESIDENT_BYTES = BATCHES * 4096


def shapes(graph: str) -> list[Shape]:
    """At and beside every bucket's edges, and more rows than the largest has, twice."""
    *_, largest = BUCKETS[graph]
    edges = {tuple(max(1, size + step) for size in bucket) for bucket in BUCKETS[graph] for step in (-1, 0)}
    return [*sorted(edges), (largest[0] + 1, *largest[1:]), (2 * largest[0] + 1, *BUCKETS[graph][0][1:])]


def assert_close(came: Mapping[str, Array], expected: Mapping[str, Array], tolerance: float, words: str) -> None:
    """Of equally probable classes either may come first: their indices are not compared."""
    for name in expected.keys() - {"classes_FI"}:
        scale = float(np.abs(expected[name]).max())
        error = np.abs(came[name].astype(np.float64) - expected[name]).max() / scale
        assert error <= tolerance, f"{words}: {name} differs by {error:.2e} of {scale:.3g}"


def check(runner: Runner, ort: Runner, batch: Mapping[str, Array], precision: Precision, words: object) -> None:
    graph = runner.spec.name
    own = precision_of(graph, precision)
    assert_close(runner(batch), ort(batch), TOLERANCES[own], f"{graph} {own} {words}")


both = pytest.mark.parametrize("precision", [*TOLERANCES])
each = pytest.mark.parametrize("graph", GRAPHS)


@both
@each
def test_outputs_are_those_of_onnx_runtime(
    world_bundle: Bundle, runner_of: RunnerOf, graph: str, precision: Precision
) -> None:
    """Few rows, full buckets, padded tokens, and more rows than one run takes."""
    with runner_of(graph, precision) as runner, ort_of(world_bundle, graph) as ort:
        for seed, shape in enumerate(shapes(graph)):
            check(runner, ort, inputs_of(world_bundle, graph, shape, seed), precision, shape)


@both
@each
def test_every_bucket_is_one_cuda_graph(runner_of: RunnerOf, graph: str, precision: Precision) -> None:
    with runner_of(graph, precision) as runner:
        assert runner.captured


@each
def test_what_ran_before_leaves_nothing_behind(world_bundle: Bundle, runner_of: RunnerOf, graph: str) -> None:
    *_, largest = BUCKETS[graph]
    full = inputs_of(world_bundle, graph, largest)
    nan = {name: np.full_like(array, np.nan) if array.dtype.kind == "f" else array for name, array in full.items()}
    small = inputs_of(world_bundle, graph, tuple(max(1, size - 1) for size in largest), 1)
    with runner_of(graph, "fp32") as runner, ort_of(world_bundle, graph) as ort:
        for _ in range(2):
            runner(nan)
        check(runner, ort, small, "fp32", "after NaN")


@each
def test_rows_do_not_depend_on_those_beside_them(world_bundle: Bundle, runner_of: RunnerOf, graph: str) -> None:
    """Every row of a full bucket alone, too."""
    *_, largest = BUCKETS[graph]
    batch = inputs_of(world_bundle, graph, largest)
    with runner_of(graph, "fp32") as runner:
        together = runner(batch)
        for row in range(largest[0]):
            alone = runner({name: array[row : row + 1] for name, array in batch.items()})
            expected = {name: array[row : row + 1] for name, array in together.items()}
            assert_close(alone, expected, TOLERANCES["fp32"], f"{graph} row {row}")


@each
def test_calls_in_flight_together(world_bundle: Bundle, runner_of: RunnerOf, graph: str) -> None:
    """More calls than lanes, waited for from last to first; the inputs are gone by then."""
    batches = [inputs_of(world_bundle, graph, shape, seed) for seed, shape in enumerate(shapes(graph))]
    with runner_of(graph, "fp32") as runner, ort_of(world_bundle, graph) as ort:
        expected = [ort(batch) for batch in batches]
        waits = []
        for batch in batches:
            waits.append(runner.start(batch))
            for array in batch.values():
                array[...] = 0
        for place in reversed(range(len(waits))):
            assert_close(waits[place](), expected[place], TOLERANCES["fp32"], f"{graph} call {place}")


def test_runners_of_several_threads(world_bundle: Bundle, runner_of: RunnerOf) -> None:
    """Each has its own, as the worker's threads have."""
    faults: list[BaseException] = []

    def work(graph: str) -> None:
        try:
            with runner_of(graph, "fp32") as runner, ort_of(world_bundle, graph) as ort:
                for seed in range(50):
                    shape = BUCKETS[graph][seed % len(BUCKETS[graph])]
                    check(runner, ort, inputs_of(world_bundle, graph, shape, seed), "fp32", f"thread, batch {seed}")
        except BaseException as error:
            faults.append(error)

    for graph in GRAPHS:
        runner_of(graph, "fp32")  # built before there are threads
    threads = [threading.Thread(target=work, args=(graph,)) for graph in GRAPHS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def resident_bytes() -> int:
    """What the process holds of the host's memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_memory_is_flat(world_bundle: Bundle, machine: Machine, runner_of: RunnerOf) -> None:
    """Batches of all graphs and sizes, after a tenth as many."""
    with (
        runner_of("vision", "fp16") as vision,
        runner_of("audio", "fp16") as audio,
        runner_of("text", "fp16") as text,
        runner_of("fusion", "fp16") as fusion,
    ):
        runners = {"vision": vision, "audio": audio, "text": text, "fusion": fusion}
        batches = [(graph, inputs_of(world_bundle, graph, shape)) for graph in GRAPHS for shape in shapes(graph)]
        for graph, batch in islice(cycle(batches), BATCHES // 10):
            runners[graph](batch)
        free_bytes, held_bytes = machine.device.free_bytes(), resident_bytes()
        for graph, batch in islice(cycle(batches), BATCHES):
            runners[graph](batch)
        assert free_bytes - machine.device.free_bytes() <= PAGE_BYTES
        assert resident_bytes() - held_bytes <= RESIDENT_BYTES


def test_opening_again_and_again_takes_no_more(machine: Machine, runner_of: RunnerOf) -> None:
    """What was given back stays in the pool and is taken from there."""

    def opened() -> int:
        with runner_of("fusion", "fp16"):
            return machine.device.free_bytes()

    for _ in range(3):
        free_bytes = opened()
    for _ in range(10):
        assert free_bytes - opened() <= PAGE_BYTES
