"""How long something takes that a device does: warmed up, in blocks, the median with its spread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import msgspec

#: A block is as many runs as take about this long, so that starting and waiting weigh little.
_BLOCK_SECONDS = 0.05
_MOST_RUNS = 200


class Taken(msgspec.Struct, frozen=True):
    """Milliseconds of one run: the median over blocks, and the least and the most."""

    ms: float
    low_ms: float
    high_ms: float


def timed(run: Callable[[], object], wait: Callable[[], object], *, blocks: int = 15) -> Taken:
    """`run` puts one piece of work on the device, `wait` returns when all of it is done."""
    for _ in range(3):
        run()
    wait()
    started = time.perf_counter()
    run()
    wait()
    runs = max(1, min(_MOST_RUNS, int(_BLOCK_SECONDS / max(1e-6, time.perf_counter() - started))))
    spans = []
    for _ in range(blocks):
        started = time.perf_counter()
        for _ in range(runs):
            run()
        wait()
        spans.append(1000 * (time.perf_counter() - started) / runs)
    return Taken(round(statistics.median(spans), 4), round(min(spans), 4), round(max(spans), 4))
