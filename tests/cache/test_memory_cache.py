"""The cache in memory: least recently used out first, never over its bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.cache.memory import MemoryCache
from streamer.cache.protocol import Cache, Tier
from tests.cache.contract import CacheContract


class TestMemoryCache(CacheContract):
    tier: Tier = "memory"

    @pytest.fixture
    def cache(self) -> Cache:
        return MemoryCache(1_000_000)


def test_drops_what_was_not_asked_for_longest() -> None:
    cache = MemoryCache(3 * 1500)
    for key in "abc":
        cache.put({key: bytes(1000)})
    cache.lookup(["a"])
    cache.put({"d": bytes(1000)})
    assert [value is not None for value in cache.lookup(list("abcd"))[0]] == [True, False, True, True]
    assert cache.stats.evicted == 1


def test_too_large_a_value_evicts_nothing() -> None:
    cache = MemoryCache(5000)
    cache.put({"a": bytes(1000)})
    cache.put({"b": bytes(6000)})
    assert cache.lookup(["a"])[0] == [bytes(1000)]
    assert cache.stats.too_large == 1


def test_no_memory_remembers_nothing() -> None:
    cache = MemoryCache(0)
    cache.put({"a": b""})
    assert cache.lookup(["a"]) == ([None], "none")


def test_values_end_with_their_time() -> None:
    now = [0.0]
    cache = MemoryCache(10_000, ttl_seconds=60, clock=lambda: now[0])
    cache.put({"a": b"1"})
    now[0] = 59.9
    assert cache.lookup(["a"])[0] == [b"1"]
    now[0] = 60.0
    assert cache.lookup(["a"])[0] == [None]
    assert cache.size_bytes == 0


def test_counts_values() -> None:
    cache = MemoryCache(10_000)
    cache.put({"a": b"1", "b": b"2"})
    cache.lookup(["a", "c"])
    assert (cache.stats.stored, cache.stats.hits, cache.stats.misses) == (2, 1, 1)


@given(
    st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 3000)), max_size=40),
    st.integers(0, 6000),
)
def test_never_holds_more_than_allowed(puts: list[tuple[str, int]], max_bytes: int) -> None:
    cache = MemoryCache(max_bytes)
    latest: dict[str, bytes] = {}
    for key, size in puts:
        latest[key] = bytes([size % 256]) * size
        cache.put({key: latest[key]})
        assert cache.size_bytes <= max_bytes
    found = cache.lookup(list(latest))[0]
    kept = {key: value for key, value in zip(latest, found, strict=True) if value is not None}
    assert sum(map(len, kept.values())) <= cache.size_bytes
