"""Does memory grow? Many batches of random sizes, and what is held meanwhile."""

from __future__ import annotations

import gc
import resource
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec
import numpy as np

from engines.bundle import Bundle
from engines.engine_set import EngineSet
from engines.gate.shapes import Bucketed, random_batch, ranges
from engines.runner import Runner
from engines.spec import GRAPHS, Array

#: Times that memory is looked at.
LOOKS = 100
#: Share of the batches after which an engine counts as warm.
WARM = 0.5
#: Parts of the warm time, in nearly all of which a leak shows: it goes on, while an arena grows by steps and then has
#: enough. One part may be spoilt, by memory that somebody gives back.
PARTS, SPOILT = 8, 1
#: Growth while warm that is no leak: allocators give pages back late and in pieces.
ALLOWANCE_BYTES = 4 << 20


@runtime_checkable
class OnDevice(Protocol):
    """A runner that knows what it holds on a device."""

    def device_bytes(self) -> int:
        """Bytes that are allocated now."""
        ...


class Growth(msgspec.Struct, frozen=True, kw_only=True):
    """Of one kind of memory over the warm part of `batches`, from which on it is looked at `looks` times.

    warm_bytes, last_bytes: held at the start and the end of that part. grown_bytes: slope times the batches; the slope
    is that of the slowest of `PARTS` but for `SPOILT`, and within a part the median of those between all pairs of looks
    (Theil 1950, Sen 1968), so that neither steps nor spikes move it. most_bytes: growth that noise explains.
    """

    memory: str
    batches: int
    looks: int
    warm_bytes: int
    last_bytes: int
    grown_bytes: float
    most_bytes: int = ALLOWANCE_BYTES

    @property
    def offends(self) -> bool:
        """Whether it grows."""
        return self.grown_bytes > self.most_bytes


def measure_growth(
    bundle: Bundle, engines: EngineSet, batches: int, seed: int, on_batch: Callable[[], None] = lambda: None
) -> list[Growth]:
    """Run so many batches of random sizes, of each graph in turn, the first half to warm up; 0 measure nothing.

    Resident memory of this process, and what engines hold on a device where they know. Raises `RunnerError` when a run
    fails, `OSError` where there is no /proc.
    """
    rng = np.random.default_rng(seed)
    pools = [_Pool(bundle, getattr(engines, graph), rng) for graph in GRAPHS]
    on_device = [pool.runner for pool in pools if isinstance(pool.runner, OnDevice)]
    every = max(1, round(batches * (1 - WARM) / LOOKS))
    looks: list[tuple[int, int, int]] = []
    with _little_to_collect():
        for pool in pools if batches else ():  # the largest first: what is set aside for it is enough for the others
            pool.runner(pool.whole)
        for number in range(1, batches + 1):
            pool = pools[number % len(pools)]
            pool.runner(pool.draw(rng))
            if number >= batches * WARM and (number % every == 0 or number == batches):
                gc.collect()
                looks.append((number, resident_bytes(), sum(runner.device_bytes() for runner in on_device)))
            on_batch()
    if not looks:
        return []
    found = [_growth("resident", [(number, resident) for number, resident, _ in looks])]
    return found + ([_growth("device", [(number, device) for number, _, device in looks])] if on_device else [])


def reasons(growths: Sequence[Growth]) -> list[str]:
    """Why memory speaks against a candidate."""
    return [
        f"{growth.memory} memory grows by {growth.grown_bytes / 2**20:.1f} MiB over {growth.batches:,} batches, of "
        f"which noise explains {growth.most_bytes / 2**20:.0f}"
        for growth in growths
        if growth.offends
    ]


def resident_bytes() -> int:
    """Of this process, from /proc."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def slope(places: Sequence[int], values: Sequence[int]) -> float:
    """The median of the slopes between all pairs of points (Theil-Sen); 0 where there are fewer than two."""
    x_N, y_N = np.array(places, np.float64), np.array(values, np.float64)
    later_P, earlier_P = np.tril_indices(len(x_N), -1)
    if not len(later_P):
        return 0.0
    return float(np.median((y_N[later_P] - y_N[earlier_P]) / (x_N[later_P] - x_N[earlier_P])))


@contextmanager
def _little_to_collect() -> Iterator[None]:
    """Have the collector look at new objects alone: what was there before takes it much longer."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class _Pool:
    """Inputs of one graph, of which batches are cut: making noise anew would take longer than running it."""

    def __init__(self, bundle: Bundle, runner: Runner, rng: np.random.Generator) -> None:
        self.runner, self._spec = runner, bundle.graphs[runner.spec.name]
        most = {axis: sizes.optimum for axis, sizes in ranges(bundle, self._spec.name).items()}
        if isinstance(runner, Bucketed):
            most = dict(zip(most, map(max, zip(*runner.bucket_shapes, strict=True)), strict=True))
        self._most = most
        self.whole, _ = random_batch(bundle, self._spec.name, most, rng)

    def draw(self, rng: np.random.Generator) -> dict[str, Array]:
        """A batch; small sizes are as frequent as large ones, by their logarithm."""
        sizes = {axis: min(most, int(np.exp(rng.uniform(0, np.log(most + 1))))) for axis, most in self._most.items()}
        starts = {axis: int(rng.integers(0, self._most[axis] - size + 1)) for axis, size in sizes.items()}
        return {
            tensor.name: np.ascontiguousarray(self.whole[tensor.name][_cut(tensor.axes, starts, sizes)])
            for tensor in self._spec.inputs
        }


def _cut(axes: tuple[int | str, ...], starts: Mapping[str, int], sizes: Mapping[str, int]) -> tuple[slice, ...]:
    return tuple(
        slice(starts[axis], starts[axis] + sizes[axis]) if isinstance(axis, str) else slice(None) for axis in axes
    )


def _growth(memory: str, looks: Sequence[tuple[int, int]]) -> Growth:
    places, values = zip(*looks, strict=True)
    batches = places[-1] - places[0]
    parts = np.array_split(np.arange(len(places)), PARTS)
    slopes = sorted(slope([places[n] for n in part], [values[n] for n in part]) for part in parts)
    return Growth(
        memory=memory,
        batches=batches,
        looks=len(looks),
        warm_bytes=values[0],
        last_bytes=values[-1],
        grown_bytes=slopes[SPOILT] * batches,
    )
