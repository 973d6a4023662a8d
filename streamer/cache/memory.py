"""A cache in this process: least recently used out first, bounded by bytes."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from streamer.cache.protocol import CacheStats, Tier

#: What CPython spends on an entry beside key and value: their headers, a tuple, a float and the slot.
_ENTRY_BYTES = 400


class MemoryCache:
    """Implements `Cache`. Holds at most `max_bytes` of keys and values, each for at most `ttl_seconds`.

    `max_bytes=0` remembers nothing. A value larger than the whole cache is not kept and evicts nothing.
    """

    def __init__(
        self,
        max_bytes: int,
        *,
        ttl_seconds: float = float("inf"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_bytes = max_bytes
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._size_bytes = 0
        self._stats = CacheStats()

    @property
    def stats(self) -> CacheStats:
        """What happened so far."""
        return self._stats

    @property
    def size_bytes(self) -> int:
        """Memory held by entries."""
        return self._size_bytes

    def lookup(self, keys: Sequence[str]) -> tuple[list[bytes | None], Tier]:
        """See `Cache`."""
        now = self._clock()
        with self._lock:
            values = [self._recall(key, now) for key in keys]
            hits = sum(value is not None for value in values)
            self._stats = replace(
                self._stats, hits=self._stats.hits + hits, misses=self._stats.misses + len(values) - hits
            )
        return values, "memory" if hits else "none"

    def put(self, values: Mapping[str, bytes]) -> None:
        """See `Cache`."""
        expires = self._clock() + self._ttl_seconds
        with self._lock:
            for key, value in values.items():
                self._remember(key, value, expires)

    def _recall(self, key: str, now: float) -> bytes | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        expires, value = entry
        if now >= expires:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return value

    def _remember(self, key: str, value: bytes, expires: float) -> None:
        size_bytes = _entry_bytes(key, value)
        if size_bytes > self._max_bytes:
            self._stats = replace(self._stats, too_large=self._stats.too_large + 1)
            return
        if key in self._entries:
            self._drop(key)
        self._entries[key] = (expires, value)
        self._size_bytes += size_bytes
        self._stats = replace(self._stats, stored=self._stats.stored + 1)
        while self._size_bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))
            self._stats = replace(self._stats, evicted=self._stats.evicted + 1)

    def _drop(self, key: str) -> None:
        _, value = self._entries.pop(key)
        self._size_bytes -= _entry_bytes(key, value)


def _entry_bytes(key: str, value: bytes) -> int:
    return len(key) + len(value) + _ENTRY_BYTES
