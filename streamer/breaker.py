"""Circuit breaker: stops asking a service that fails, and finds out by itself when it is back. Pure.

    closed --a call fails--> open --its time is over--> half open --the probe succeeds--> closed
                              ^------------the probe fails: twice as long-----+

Thread-safe: while one call is overdue the others stay away, so a service that freezes costs one caller one
timeout, and half open lets a single caller through.
"""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable
from typing import Literal


class Breaker:
    """Decides whether a call may be made. Every ticket that `enter` gives must come back through `leave`.

    open_seconds: how long the first failure closes the way; doubles with every failed probe up to
        max_open_seconds, each spread by a fifth either way so that workers do not probe in step.
    overdue_seconds: when the oldest call has been away that long, no further one is let through.
    """

    def __init__(
        self,
        *,
        open_seconds: float,
        max_open_seconds: float,
        overdue_seconds: float,
        clock: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self._open_seconds = open_seconds
        self._max_open_seconds = max_open_seconds
        self._overdue_seconds = overdue_seconds
        self._clock = clock
        self._rng = rng
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._started: dict[int, float] = {}
        self._open_until: float | None = None
        self._probe: int | None = None
        self._failures = 0

    @property
    def under_way(self) -> int:
        """Calls that have not come back."""
        return len(self._started)

    def state(self) -> Literal["closed", "open", "half_open"]:
        """What the next caller meets, a probe under way counting as half open."""
        with self._lock:
            if self._open_until is None:
                return "closed"
            return "half_open" if self._probe is not None or self._clock() >= self._open_until else "open"

    def enter(self) -> int | None:
        """A ticket for one call; None when the call must not be made."""
        with self._lock:
            now = self._clock()
            if self._open_until is None:
                if any(now - started >= self._overdue_seconds for started in self._started.values()):
                    return None
            elif self._probe is not None or now < self._open_until:
                return None
            ticket = next(self._numbers)
            self._started[ticket] = now
            if self._open_until is not None:
                self._probe = ticket
            return ticket

    def leave(self, ticket: int, *, succeeded: bool) -> None:
        """Reports how the call went."""
        with self._lock:
            del self._started[ticket]
            # Calls that were under way when the breaker opened tell nothing new.
            if self._open_until is not None and ticket != self._probe:
                return
            self._probe = None
            if succeeded:
                self._failures, self._open_until = 0, None
            else:
                self._failures += 1
                self._open_until = self._clock() + self._pause_seconds()

    def _pause_seconds(self) -> float:
        doubled = self._open_seconds * 2.0 ** min(self._failures - 1, 32)
        return min(doubled, self._max_open_seconds) * self._rng.uniform(0.8, 1.2)
