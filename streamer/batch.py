"""Cases -> Batch: full, or one of them has waited long enough. Pure; the clock is injected.

More cases never make a batch leave later, so none waits longer than `max_wait_seconds` for company. One that has to
leave earlier takes the batch along.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from pydantic import Field

from streamer.options import Options
from streamer.records import Batch, Case


class BatchOptions(Options):
    """How many cases go through the engines together, and how long the first may wait for the others."""

    max_cases: int = Field(default=8, ge=1, le=256)
    max_wait_seconds: float = Field(default=0.05, ge=0, le=10)


class Batcher:
    """Collects cases. Not thread-safe."""

    def __init__(self, options: BatchOptions, clock: Callable[[], float]) -> None:
        self._options = options
        self._clock = clock
        self._cases: list[tuple[Case, float]] = []
        self._leave_seconds = math.inf

    def __len__(self) -> int:
        return len(self._cases)

    def add(self, case: Case, latest_seconds: float = math.inf) -> Batch | None:
        """Take a case in that has to leave by `latest_seconds` of the clock; the batch when this one fills it."""
        now = self._clock()
        latest_seconds = min(latest_seconds, now + self._options.max_wait_seconds)
        self._leave_seconds = min(self._leave_seconds, latest_seconds)
        self._cases.append((case, now))
        return self.take() if len(self._cases) >= self._options.max_cases else None

    def seconds_left(self) -> float | None:
        """How long the cases may still wait, at least 0; None when there is none."""
        return max(0.0, self._leave_seconds - self._clock()) if self._cases else None

    def take(self) -> Batch | None:
        """All that is here as a batch, oldest first; None when there is nothing."""
        if not self._cases:
            return None
        now = self._clock()
        cases, self._cases, self._leave_seconds = self._cases, [], math.inf
        return Batch(
            cases=tuple(case for case, _ in cases),
            wait_ms=tuple((now - added) * 1000 for _, added in cases),
        )
