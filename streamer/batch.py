"""Cases -> Batch: full, or one of them has waited long enough. Pure; the clock is injected.

When a batch leaves does not move back when more cases arrive, so none waits longer than `max_wait_seconds` for company.
One whose own deadline is near takes the batch along at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from pydantic import Field

from streamer.options import Options
from streamer.records import Batch, Case


class BatchOptions(Options):
    """How many cases go through the engines together, and how long the first may wait for the others.

    deadline_margin_seconds: a case leaves at the latest so long before its deadline, so that it can still be judged.
    """

    max_cases: int = Field(default=8, ge=1, le=256)
    max_wait_seconds: float = Field(default=0.05, ge=0, le=10)
    deadline_margin_seconds: float = Field(default=1.0, ge=0, le=60)


class Batcher:
    """Collects cases. Not thread-safe."""

    def __init__(self, options: BatchOptions, clock: Callable[[], float]) -> None:
        self._options = options
        self._clock = clock
        self._cases: list[tuple[Case, float]] = []
        self._leave_seconds = math.inf

    def __len__(self) -> int:
        return len(self._cases)

    def add(self, case: Case, deadline_seconds: float = math.inf) -> Batch | None:
        """Take a case in, with its deadline on the clock; the batch when this one fills it."""
        now, options = self._clock(), self._options
        latest_seconds = min(now + options.max_wait_seconds, deadline_seconds - options.deadline_margin_seconds)
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
