"""Single flight: of simultaneous callers with the same key one works, the others wait for its result.

The result may be handed in by any thread. When the leader gives up, one of those who wait becomes the next
leader, so a failure is never shared. Starts no thread; everything is thread-safe.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Entry(Generic[V]):
    """One piece of work on its way. `over` without a value: the leader gave up."""

    def __init__(self, lock: threading.Lock) -> None:
        self.changed = threading.Condition(lock)
        self.over = False
        self.value: V | None = None
        self.successor: _Entry[V] | None = None


class Flight(Generic[K, V]):
    """One caller's place in a flight. `leads`: this caller has to do the work, then resolve or abandon it."""

    def __init__(self, flights: Flights[K, V], key: K) -> None:
        self._flights = flights
        self._key = key
        self._entry, self.leads = flights._enter(key)

    def wait(self, timeout_seconds: float) -> V | None:
        """The leader's value. None when the time is up, or when this caller leads now: look at `leads`.

        A leader that calls it gets None at once.
        """
        clock = self._flights._clock
        deadline = clock() + timeout_seconds
        with self._flights._lock:
            while not self.leads:
                remaining_seconds = deadline - clock()
                if not self._entry.over and remaining_seconds > 0:
                    self._entry.changed.wait(remaining_seconds)
                elif self._entry.value is not None:
                    return self._entry.value
                elif self._entry.over:
                    self._take_over()
                else:
                    break
        return None

    def _take_over(self) -> None:
        """After the leader gave up: the first to come leads, the others follow that one."""
        abandoned = self._entry
        if abandoned.successor is None:
            abandoned.successor, self.leads = self._flights._enter_locked(self._key)
        self._entry = abandoned.successor


class Flights(Generic[K, V]):
    """All work on its way, by key. A value is never None.

    A leader calls `resolve` or `abandon` once; both do nothing when nobody leads the key (any more).
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[K, _Entry[V]] = {}

    def join(self, key: K) -> Flight[K, V]:
        """Leads when nobody else does, follows otherwise. Returns at once."""
        return Flight(self, key)

    def resolve(self, key: K, value: V) -> None:
        """Hands the value to all who wait for the key; the next to join leads again."""
        self._finish(key, value)

    def abandon(self, key: K) -> None:
        """Says that no value will come: one of those who wait becomes the leader."""
        self._finish(key, None)

    def __len__(self) -> int:
        """Keys that somebody leads."""
        return len(self._entries)

    def _finish(self, key: K, value: V | None) -> None:
        with self._lock:
            entry = self._entries.pop(key, None)
            if entry is not None:
                entry.value, entry.over = value, True
                entry.changed.notify_all()

    def _enter(self, key: K) -> tuple[_Entry[V], bool]:
        with self._lock:
            return self._enter_locked(key)

    def _enter_locked(self, key: K) -> tuple[_Entry[V], bool]:
        entry = self._entries.get(key)
        if entry is not None:
            return entry, False
        self._entries[key] = entry = _Entry(self._lock)
        return entry, True
