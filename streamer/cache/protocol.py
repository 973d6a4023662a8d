"""What every cache promises, and the cache that asks memory before Redis.

A cache maps keys to opaque bytes (see `sealed.py`). It may forget at any time, and it never raises: whatever
goes wrong inside is a miss, so the cache can change what a verdict costs and never the verdict. Thread-safe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

#: Where values came from: the farthest tier that gave something; "none" when nothing was found.
Tier = Literal["none", "memory", "redis"]


@dataclass(frozen=True, slots=True)
class CacheStats:
    """What happened so far. All count values, but `errors` and `skipped`, which count round trips.

    skipped: round trips not made because the breaker was open. too_large: values refused for their size.
    """

    hits: int = 0
    misses: int = 0
    stored: int = 0
    too_large: int = 0
    evicted: int = 0
    errors: int = 0
    skipped: int = 0


class Cache(Protocol):
    """Remembers bytes by key for as long as it likes."""

    def lookup(self, keys: Sequence[str]) -> tuple[list[bytes | None], Tier]:
        """The value of each key in order, None where there is none, and the tier that served."""

    def put(self, values: Mapping[str, bytes]) -> None:
        """Remembers the values, or some of them, or none."""


class TieredCache:
    """A near cache before a far one: what the far one gives is kept near, what is put goes to both."""

    def __init__(self, near: Cache, far: Cache) -> None:
        self.near = near
        self.far = far

    def lookup(self, keys: Sequence[str]) -> tuple[list[bytes | None], Tier]:
        """See `Cache`. Asks the far cache only for what the near one lacks, in one round trip."""
        values, tier = self.near.lookup(keys)
        missing = [index for index, value in enumerate(values) if value is None]
        if not missing:
            return values, tier
        found, far_tier = self.far.lookup([keys[index] for index in missing])
        near: dict[str, bytes] = {}
        for index, value in zip(missing, found, strict=True):
            if value is not None:
                values[index] = near[keys[index]] = value
        if not near:
            return values, tier
        self.near.put(near)
        return values, far_tier

    def put(self, values: Mapping[str, bytes]) -> None:
        """See `Cache`."""
        self.near.put(values)
        self.far.put(values)
