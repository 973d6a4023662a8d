"""Which benchmarks there are. Looking at the list loads none of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from streamer.bench.plan import Plan
from streamer.bench.result import BenchResult


def _decode(plan: Plan) -> BenchResult:
    from streamer.bench.decode import bench

    return bench(plan.runs)


def _stream(plan: Plan) -> BenchResult:
    from streamer.bench.stream import bench

    return bench(plan)


def _cache(plan: Plan) -> BenchResult:
    from streamer.bench.cache import bench

    return bench(plan)


def _memory(plan: Plan) -> BenchResult:
    from streamer.bench.memory import bench

    return bench(plan)


def _scale(plan: Plan) -> BenchResult:
    from streamer.bench.scale import bench

    return bench(plan)


def _peer(plan: Plan) -> BenchResult:
    from streamer.bench.peer import bench

    return bench(plan)


@dataclass(frozen=True, slots=True)
class Bench:
    """What a ratio says, what it should be, and how to take it."""

    meaning: str
    goal: str
    run: Callable[[Plan], BenchResult]


BENCHES: Mapping[str, Bench] = {
    "decode": Bench("decoding all of a video / looking at it as planned", ">= 12", _decode),
    "stream": Bench("wall time of the pipeline / of fetching and decoding alone", "<= 1.10", _stream),
    "cache": Bench("cost of an event nobody knows / of the same one when it is known", ">= 50", _cache),
    "memory": Bench("resident memory at the end / when warm", "1.0", _memory),
    "scale": Bench("throughput of two workers / of one", "2 where cores are free", _scale),
    "peer": Bench("our throughput / that of a straightforward consumer", ">= 10", _peer),
}
