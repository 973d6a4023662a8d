"""What a batch of clips brings to each engine, and the same engines on it with nothing in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from engines.bundle import Bundle
from engines.engine_set import EngineSet
from engines.gpu.buckets import Shape
from engines.gpu.counted import shape_of
from engines.gpu.traffic import Traffic
from engines.measure.clock import Taken, timed
from engines.runner import Around, Pending, Runner
from engines.spec import GRAPHS, Array
from engines.trt import TrtRunner
from streamer.bench.gpu.served import open_judges
from streamer.records import Batch, Case


@dataclass(frozen=True, slots=True)
class Call:
    """One run of one graph, as judging asks for it."""

    graph: str
    inputs: Mapping[str, Array]


class _Listening(Around):
    """A runner that also keeps what it is asked for."""

    def __init__(self, graph: str, runner: Runner, calls: list[Call]) -> None:
        super().__init__(runner)
        self._graph, self._calls = graph, calls

    def start(self, inputs: Mapping[str, Array]) -> Pending:
        """As of the runner."""
        self._calls.append(Call(self._graph, {name: array.copy() for name, array in inputs.items()}))
        return self._runner.start(inputs)


def calls_of(bundle: Bundle, open_set: Callable[[], EngineSet], cases: Sequence[Case]) -> list[Call]:
    """Every run that judging these cases as one batch asks for, in order."""
    calls: list[Call] = []

    def listening() -> EngineSet:
        engines = open_set()
        return EngineSet(**{name: _Listening(name, getattr(engines, name), calls) for name in GRAPHS})

    with open_judges(bundle, listening, 1) as judges:
        judges[0].judge(Batch(tuple(cases), (0.0,) * len(cases)))
    return calls


def traffic_of(bundle: Bundle, batches: Sequence[Sequence[Call]]) -> Traffic:
    """The shapes of these calls, each graph's with its counts."""
    counts: dict[str, dict[Shape, int]] = {name: {} for name in GRAPHS}
    for call in (call for calls in batches for call in calls):
        shape = shape_of(bundle.graphs[call.graph], call.inputs)
        counts[call.graph][shape] = counts[call.graph].get(shape, 0) + 1
    return counts


def resident_batch(engines: EngineSet, calls: Sequence[Call]) -> Taken:
    """Milliseconds of all these runs on inputs that lie on the device, each engine on its own stream.

    Raises `ValueError` for a call that takes more than one run.
    """
    lanes = [cast("TrtRunner", getattr(engines, call.graph)).settled(call.inputs) for call in calls]

    def launch() -> None:
        for lane in lanes:
            lane.launch()

    def wait() -> None:
        for lane in lanes:
            lane.wait()

    return timed(launch, wait)


def resident_each(engines: EngineSet, calls: Sequence[Call]) -> dict[str, Taken]:
    """Milliseconds of the first call of each graph alone."""
    taken: dict[str, Taken] = {}
    for call in calls:
        if call.graph not in taken:
            lane = cast("TrtRunner", getattr(engines, call.graph)).settled(call.inputs)
            taken[call.graph] = timed(lane.launch, lane.wait)
    return taken
