"""Redis behind the cache protocol: the only `redis` import.

Whatever Redis does (down, frozen, slow, full, evicting, poisoned) is a miss. A dead or frozen one costs one
caller one timeout, then nothing until the breaker's next probe. Thread-safe; create after any fork.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from pydantic import Field, SecretStr
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError
from redis.retry import Retry

from streamer.breaker import Breaker
from streamer.cache.memory import MemoryCache
from streamer.cache.protocol import Cache, CacheStats, Tier, TieredCache
from streamer.errors import SettingsError
from streamer.options import Options

_MEBIBYTE = 1 << 20
#: A batch is stored in trips of about this size, so that a slow link does not look like a frozen server.
_TRIP_BYTES = _MEBIBYTE

R = TypeVar("R")


class CacheOptions(Options):
    """Where token embeddings are remembered.

    url: `redis://` or `rediss://`, password included; None keeps to memory.
    timeout_seconds: for connecting, and for an answer to start; 50 ms.
    """

    url: SecretStr | None = None
    memory_bytes: int = Field(default=64 * _MEBIBYTE, ge=0)
    ttl_seconds: float = Field(default=7 * 86_400.0, gt=0)
    ttl_jitter: float = Field(default=0.1, ge=0, lt=1)
    max_value_bytes: int = Field(default=4 * _MEBIBYTE, gt=0)
    timeout_seconds: float = Field(default=0.05, gt=0)
    breaker_seconds: float = Field(default=2.0, gt=0)
    breaker_max_seconds: float = Field(default=30.0, gt=0)


def open_cache(options: CacheOptions, clock: Callable[[], float] = time.monotonic) -> Cache:
    """The cache that the options describe: memory, with Redis behind it when there is a URL."""
    memory = MemoryCache(options.memory_bytes, ttl_seconds=options.ttl_seconds, clock=clock)
    return memory if options.url is None else TieredCache(memory, RedisCache(options, clock))


class RedisCache:
    """Implements `Cache` in one MGET, and one pipeline of SETs with a time to live.

    Raises:
        SettingsError: the URL is not one of Redis (fatal). Nothing is raised later.
    """

    def __init__(
        self,
        options: CacheOptions,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        self._options = options
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311  spreads expiry, protects nothing
        self._client = _client(options)
        self._lock = threading.Lock()
        self._stats = CacheStats()
        self.breaker = Breaker(
            open_seconds=options.breaker_seconds,
            max_open_seconds=options.breaker_max_seconds,
            overdue_seconds=options.timeout_seconds / 2,
            clock=clock,
            rng=self._rng,
        )

    @property
    def stats(self) -> CacheStats:
        """What happened so far."""
        return self._stats

    def lookup(self, keys: Sequence[str]) -> tuple[list[bytes | None], Tier]:
        """See `Cache`."""
        found = self._attempt(lambda: self._client.mget(keys)) if keys else []
        # An impostor may answer anything.
        if not isinstance(found, list) or len(found) != len(keys):
            return [None] * len(keys), "none"
        values = [value if isinstance(value, bytes) else None for value in found]
        hits = sum(value is not None for value in values)
        self._count(hits=hits, misses=len(values) - hits)
        return values, "redis" if hits else "none"

    def put(self, values: Mapping[str, bytes]) -> None:
        """See `Cache`. Values over `max_value_bytes` are left out."""
        fitting = {key: value for key, value in values.items() if len(value) <= self._options.max_value_bytes}
        self._count(too_large=len(values) - len(fitting))
        for trip in _trips(fitting):
            stored = self._attempt(partial(self._store, trip))
            if stored is None:
                break
            self._count(stored=stored, errors=int(stored < len(trip)))

    def close(self) -> None:
        """Closes all connections."""
        self._client.close()

    def _store(self, values: Mapping[str, bytes]) -> int:
        pipeline = self._client.pipeline(transaction=False)
        for key, value in values.items():
            spread = self._rng.uniform(1 - self._options.ttl_jitter, 1 + self._options.ttl_jitter)
            pipeline.set(key, value, px=max(1, round(self._options.ttl_seconds * spread * 1000)))
        return sum(answer is True for answer in pipeline.execute(raise_on_error=False))

    def _attempt(self, call: Callable[[], R]) -> R | None:
        """The outcome of one round trip; None when it failed or the breaker forbade it."""
        ticket = self.breaker.enter()
        if ticket is None:
            self._count(skipped=1)
            return None
        started, answered, outcome = self._clock(), False, None
        try:
            answered, outcome = _outcome(call)
        finally:
            # An answer that trickles in keeps within every socket timeout and is as bad as none.
            in_time = self._clock() - started <= 2 * self._options.timeout_seconds
            self.breaker.leave(ticket, succeeded=answered and in_time)
        self._count(errors=int(outcome is None))
        return outcome

    def _count(self, **more: int) -> None:
        with self._lock:
            self._stats = replace(self._stats, **{name: getattr(self._stats, name) + n for name, n in more.items()})


def _outcome(call: Callable[[], R]) -> tuple[bool, R | None]:
    """Whether Redis answered, and what, if it did as it was told."""
    try:
        return True, call()
    except ResponseError:
        return True, None  # alive, but full, or we are not allowed to
    except Exception:
        return False, None


def _client(options: CacheOptions) -> Redis:
    if options.url is None:
        raise SettingsError("cache.url: came nothing, expected redis://HOST:PORT/DB; without Redis use MemoryCache")
    try:
        # Defaults would wait 59 s for a frozen server. Protocol 2 without driver information needs no
        # greeting: a new connection costs no round trip, and the user needs no rights beyond MGET and SET.
        return Redis.from_url(
            options.url.get_secret_value(),
            socket_timeout=options.timeout_seconds,
            socket_connect_timeout=options.timeout_seconds,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            driver_info=None,
        )
    except ValueError as error:
        raise SettingsError("cache.url: expected redis://, rediss:// or unix://, as redis-py reads it") from error


def _trips(values: Mapping[str, bytes]) -> Iterator[dict[str, bytes]]:
    trip: dict[str, bytes] = {}
    size_bytes = 0
    for key, value in values.items():
        if trip and size_bytes + len(value) > _TRIP_BYTES:
            yield trip
            trip, size_bytes = {}, 0
        trip[key] = value
        size_bytes += len(value)
    if trip:
        yield trip
