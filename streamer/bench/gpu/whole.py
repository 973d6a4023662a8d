"""A bundle on the GPU: its engines beside torch, served beside resident, one by one, and how soon it starts."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from engines.bundle import Bundle
from engines.engine_set import EngineOptions, EngineSet
from engines.gpu.machine import Machine
from engines.gpu.plans import PlanStore
from engines.measure.line import Line
from engines.opening import open_engines
from engines.trt import open_trt
from streamer.batch import BatchOptions
from streamer.bench.gpu.batches import Call, calls_of, resident_batch, resident_each, traffic_of
from streamer.bench.gpu.cases import random_cases
from streamer.bench.gpu.served import naive_rate, open_judges, served_rate
from streamer.records import Batch

#: Clips of a batch: as many as one run of the ear takes, at 31 windows of a 30 s clip.
CASES = 16
#: The batch size that torch is compared at.
EAGER_CASES = 8
_THREADS = (1, 2, 3, 4)
_SEED = 7


def plans_of(bundle: Bundle, machine: Machine, folder: Path) -> EngineOptions:
    """Plans of two shapes for batches of 1, `EAGER_CASES` and `CASES` clips, built where they are missing.

    More shapes would be faster for small batches, and take as many minutes longer to build.
    """
    from engines.build import Recipe, build

    cases = random_cases(bundle, CASES, _SEED)
    batches = [calls_of(bundle, lambda: open_engines(bundle), cases[:count]) for count in (1, EAGER_CASES, CASES)]
    recipe = Recipe(traffic=traffic_of(bundle, batches), most_buckets=2)
    build(bundle, recipe, machine, PlanStore(folder))
    return EngineOptions(kind="trt", plans=folder)


def engine_lines(bundle: Bundle, machine: Machine, options: EngineOptions) -> Iterator[Line]:
    """Each engine on resident inputs, and all of a batch of `EAGER_CASES` beside torch."""
    calls = _calls(bundle, machine, options, EAGER_CASES)
    with open_trt(bundle, options, machine) as engines:
        each = resident_each(engines, calls)
        for graph, taken in each.items():
            yield Line(
                what=f"{bundle.name} {graph}, {EAGER_CASES} clips",
                value=taken.ms,
                unit="ms",
                detail=f"resident, {taken.low_ms} to {taken.high_ms} ms",
            )
    yield _beside_torch(bundle, calls, sum(taken.ms for taken in each.values()))


def served_lines(bundle: Bundle, machine: Machine, options: EngineOptions, *, batches: int) -> Iterator[Line]:
    """Clips a second through batcher, copies, towers and fusion, against the same engines on resident inputs."""
    cases = random_cases(bundle, CASES, _SEED)
    with open_trt(bundle, options, machine) as engines:
        taken = resident_batch(engines, _calls(bundle, machine, options, CASES))
    resident = 1000 * CASES / taken.ms
    yield Line(
        what=f"{bundle.name} resident, {CASES} clips",
        value=resident,
        unit="clips/s",
        detail=f"{taken.ms} ms a batch, {taken.low_ms} to {taken.high_ms}; 8 frames and 31 windows a clip, and the "
        "three runs of fusion that tell what each modality brought",
    )
    best = 0.0
    for threads in _THREADS:
        with open_judges(bundle, lambda: open_trt(bundle, options, machine), threads) as judges:
            batch = BatchOptions(max_cases=CASES, max_wait_seconds=0.01)
            served_rate(judges, cases * 2 * threads, batch)
            begun, cpu = time.perf_counter(), time.process_time()
            rate = served_rate(judges, cases * batches, batch)
            cores = (time.process_time() - cpu) / (time.perf_counter() - begun)
            if threads == 1:
                naive = naive_rate(judges[0], cases * 4)
        best = max(best, rate)
        yield Line(
            what=f"{bundle.name} served, {threads} engine threads",
            value=rate,
            unit="clips/s",
            detail=f"{rate / resident:.2f} of resident, {cores:.2f} cores busy of {os.cpu_count()}",
        )
    yield Line(what="served / resident", value=best / resident, unit="", least=0.9)
    yield Line(
        what="served / one request a call",
        value=best / naive,
        unit="",
        detail=f"one clip after the other without batches: {naive:.0f} clips/s",
    )


def start_line(bundle: Bundle, machine: Machine, options: EngineOptions) -> Line:
    """Seconds from opening the plans to the first verdict, in a process that has the device already."""
    cases = tuple(random_cases(bundle, 1, _SEED))
    started = time.perf_counter()
    with open_judges(bundle, lambda: open_trt(bundle, replace(options, build=False), machine), 1) as judges:
        opened = time.perf_counter() - started
        judges[0].judge(Batch(cases, (0.0,)))
        seconds = time.perf_counter() - started
    return Line(
        what="plan load to first verdict",
        value=seconds,
        unit="s",
        most=5.0,
        detail=f"{opened:.2f} s of it to load four plans and capture their runs",
    )


def _calls(bundle: Bundle, machine: Machine, options: EngineOptions, count: int) -> list[Call]:
    def open_set() -> EngineSet:
        return open_trt(bundle, options, machine)

    return calls_of(bundle, open_set, random_cases(bundle, count, _SEED))


def _beside_torch(bundle: Bundle, calls: list[Call], engines_ms: float) -> Line:
    """All four graphs once, one after the other, on either side; torch in the faster of float32 and float16."""
    from engines.measure.eager import eager
    from engines.measure.networks import random_network

    network = random_network(bundle)
    first = {call.graph: call for call in reversed(calls)}

    def torch_ms(*, half: bool) -> float:
        modules = {name: network.get_submodule(name) for name in first}
        return sum(eager(modules[name], bundle.graphs[name], call.inputs, half=half).ms for name, call in first.items())

    taken = {half: torch_ms(half=half) for half in (False, True)}
    return Line(
        what=f"{bundle.name} end to end, torch eager / engines, batch {EAGER_CASES}",
        value=min(taken.values()) / engines_ms,
        unit="",
        least=6.0,
        detail=f"torch {taken[False]:.2f} ms in float32, {taken[True]:.2f} ms in float16; engines {engines_ms:.2f} ms",
    )
