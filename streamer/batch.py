"""Cases -> Batch: full, or the first one has waited long enough. Pure; the clock is injected.

The deadline is set by the first case and does not move when more arrive, so no case waits longer than
`max_wait_seconds` for company.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from streamer.options import Options
from streamer.records import Batch, Case


class BatchOptions(Options):
    """How many cases go through the engines together, and how long the first may wait for the others."""

    max_cases: int = Field(default=8, ge=1, le=256)
    max_wait_seconds: float = Field(default=0.05, ge=0, le=10)


class Batcher:
    """Collects cases of one thread. Not thread-safe."""

    def __init__(self, options: BatchOptions, clock: Callable[[], float]) -> None:
        self._options = options
        self._clock = clock
        self._cases: list[tuple[Case, float]] = []

    def __len__(self) -> int:
        return len(self._cases)

    def add(self, case: Case) -> Batch | None:
        """Take a case in; the batch when this one fills it."""
        self._cases.append((case, self._clock()))
        return self.take() if len(self._cases) >= self._options.max_cases else None

    def seconds_left(self) -> float | None:
        """How long the first case may still wait, at least 0; None when there is none."""
        if not self._cases:
            return None
        _, first_seconds = self._cases[0]
        return max(0.0, first_seconds + self._options.max_wait_seconds - self._clock())

    def take(self) -> Batch | None:
        """All that is here as a batch, oldest first; None when there is nothing."""
        if not self._cases:
            return None
        now = self._clock()
        cases, self._cases = self._cases, []
        return Batch(
            cases=tuple(case for case, _ in cases),
            wait_ms=tuple((now - added) * 1000 for _, added in cases),
        )
