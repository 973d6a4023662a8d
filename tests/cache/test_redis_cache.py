"""The cache against a real Redis: what it stores, and that no fault of Redis is more than a miss."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr
from redis import Redis

from streamer.cache.memory import MemoryCache
from streamer.cache.protocol import Cache, Tier, TieredCache
from streamer.cache.redis import CacheOptions, RedisCache, open_cache
from streamer.cache.sealed import seal, unseal
from streamer.errors import SettingsError
from tests.cache.contract import CacheContract
from tests.cache.tokens import some_tokens
from tests.services.child import free_port
from tests.services.redis import RedisServer

pytestmark = pytest.mark.services

SECRET = b"a secret of thirty-two characters"


class Clock:
    """Real time moves only when told; sockets keep their own."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(clock: Clock) -> Iterator[Callable[..., RedisCache]]:
    """Builds caches that are closed in the end. Redis is given two seconds, for a busy machine, unless told."""
    built: list[RedisCache] = []

    def build(url: str, **options: float) -> RedisCache:
        settings = {"timeout_seconds": 2.0, "max_value_bytes": 1_000_000, **options}
        cache = RedisCache(
            CacheOptions(url=SecretStr(url), **settings),  # type: ignore[arg-type]
            clock,
            random.Random(5),
        )
        built.append(cache)
        return cache

    yield build
    for cache in built:
        cache.close()


@pytest.fixture
def admin(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


class TestRedisCache(CacheContract):
    tier: Tier = "redis"

    @pytest.fixture
    def cache(self, redis_url: str, make: Callable[..., RedisCache]) -> Cache:
        return make(redis_url)


class TestTieredCache(CacheContract):
    tier: Tier = "memory"

    @pytest.fixture
    def cache(self, redis_url: str, make: Callable[..., RedisCache]) -> Cache:
        return TieredCache(MemoryCache(1_000_000), make(redis_url))


def test_two_workers_share(redis_url: str, make: Callable[..., RedisCache]) -> None:
    make(redis_url).put({"emb:a": b"1"})
    assert make(redis_url).lookup(["emb:a"]) == ([b"1"], "redis")


def test_one_round_trip_each(redis_url: str, make: Callable[..., RedisCache], admin: Redis) -> None:
    cache = make(redis_url)
    cache.lookup(["emb:warm"])
    before = admin.info("commandstats")
    cache.put({"emb:a": b"1", "emb:b": b"2", "emb:c": b"3"})
    cache.lookup(["emb:a", "emb:b", "emb:c"])
    after = admin.info("commandstats")

    def calls(name: str) -> int:
        return int(after.get(name, {}).get("calls", 0)) - int(before.get(name, {}).get("calls", 0))

    assert calls("cmdstat_mget") == 1
    assert calls("cmdstat_set") == 3
    assert {name for name in after if calls(name)} == {"cmdstat_mget", "cmdstat_set", "cmdstat_info"}


def test_every_value_ends_and_not_all_at_once(redis_url: str, make: Callable[..., RedisCache], admin: Redis) -> None:
    make(redis_url, ttl_seconds=1000.0, ttl_jitter=0.1).put({f"emb:{n}": b"1" for n in range(50)})
    left_ms = [admin.pttl(f"emb:{n}") for n in range(50)]
    assert all(890_000 < ms <= 1_100_000 for ms in left_ms)
    assert len(set(left_ms)) > 25


def test_a_short_life_is_over(redis_url: str, make: Callable[..., RedisCache], admin: Redis) -> None:
    cache = make(redis_url, ttl_seconds=0.001)
    cache.put({"emb:a": b"1"})
    while admin.exists("emb:a"):
        pass
    assert cache.lookup(["emb:a"]) == ([None], "none")


def test_large_batches_go_in_trips(redis_url: str, make: Callable[..., RedisCache], admin: Redis) -> None:
    cache = make(redis_url)
    values = {f"emb:{n}": bytes([n]) * 400_000 for n in range(10)}
    cache.put(values)
    assert cache.lookup(list(values))[0] == list(values.values())
    assert cache.stats.stored == 10


def test_counts(redis_url: str, make: Callable[..., RedisCache]) -> None:
    cache = make(redis_url)
    cache.put({"emb:a": b"1", "emb:large": bytes(1_000_001)})
    cache.lookup(["emb:a", "emb:b", "emb:c"])
    stats = cache.stats
    assert (stats.stored, stats.too_large, stats.hits, stats.misses) == (1, 1, 1, 2)
    assert (stats.errors, stats.skipped) == (0, 0)


def test_full_redis_still_gives(redis_server: RedisServer, make: Callable[..., RedisCache]) -> None:
    cache = make(redis_server.url)
    cache.put({"emb:first": b"1"})
    with Redis.from_url(redis_server.url) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1")
    cache.put({"emb:second": b"2"})
    assert cache.lookup(["emb:first", "emb:second"]) == ([b"1", None], "redis")
    assert cache.stats.errors == 1
    assert cache.breaker.state() == "closed", "a full Redis is alive: reading goes on"


def test_evicted_values_are_misses(redis_server: RedisServer, make: Callable[..., RedisCache]) -> None:
    cache = make(redis_server.url)
    with Redis.from_url(redis_server.url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("maxmemory", str(client.info("memory")["used_memory"] + 3_000_000))
    keys = [f"emb:{n}" for n in range(100)]
    for key in keys:
        cache.put({key: random.Random(key).randbytes(100_000)})
    found = cache.lookup(keys)[0]
    assert 0 < sum(value is not None for value in found) < 100
    for key, value in zip(keys, found, strict=True):
        assert value in (None, random.Random(key).randbytes(100_000))
    assert cache.stats.errors == 0


def test_frozen_redis_costs_one_attempt_and_comes_back(
    redis_server: RedisServer, make: Callable[..., RedisCache], clock: Clock
) -> None:
    cache = make(redis_server.url, timeout_seconds=0.5)
    cache.put({"emb:a": b"1"})
    redis_server.pause()
    try:
        for _ in range(200):
            assert cache.lookup(["emb:a"]) == ([None], "none")
            cache.put({"emb:b": b"2"})
        assert (cache.stats.errors, cache.stats.skipped) == (1, 399)
        clock.now += 3
        assert cache.breaker.state() == "half_open"
        for _ in range(100):
            cache.lookup(["emb:a"])
        assert cache.stats.errors == 2, "more than one probe"
    finally:
        redis_server.resume()
    assert cache.lookup(["emb:a"]) == ([None], "none"), "asked while the breaker was open"
    clock.now += 6
    assert _until_found(cache, clock) == b"1"
    assert cache.breaker.state() == "closed"
    assert cache.lookup(["emb:b", "emb:a"])[0] == [None, b"1"], "an answer to an older question"


def test_only_those_already_on_their_way_wait_for_a_frozen_redis(
    redis_server: RedisServer, make: Callable[..., RedisCache], clock: Clock
) -> None:
    cache = make(redis_server.url, timeout_seconds=0.5)
    cache.lookup(["emb:a"])
    redis_server.pause()
    try:
        with ThreadPoolExecutor(1) as pool:
            stuck = pool.submit(cache.lookup, ["emb:a"])
            while not cache.breaker.under_way:
                threading.Event().wait(0.001)
            clock.now += 0.3
            for _ in range(50):
                cache.lookup(["emb:a"])
            assert cache.stats.skipped == 50
            stuck.result()
    finally:
        redis_server.resume()
    assert cache.stats.errors == 1


def test_killed_redis_comes_back_empty(
    redis_server: RedisServer, make: Callable[..., RedisCache], clock: Clock
) -> None:
    cache = make(redis_server.url)
    cache.put({"emb:a": b"1"})
    redis_server.kill()
    for _ in range(50):
        assert cache.lookup(["emb:a"]) == ([None], "none")
    assert (cache.stats.errors, cache.stats.skipped) == (1, 49)
    redis_server.restart()
    clock.now += 3
    assert cache.lookup(["emb:a"]) == ([None], "none")
    cache.put({"emb:a": b"2"})
    assert cache.lookup(["emb:a"]) == ([b"2"], "redis")


def test_restart_between_two_calls_costs_nothing(redis_server: RedisServer, make: Callable[..., RedisCache]) -> None:
    cache = make(redis_server.url)
    cache.put({"emb:a": b"1"})
    redis_server.restart()
    cache.put({"emb:a": b"2"})
    assert cache.lookup(["emb:a"]) == ([b"2"], "redis")
    assert cache.stats.errors == 0


def test_nobody_there(make: Callable[..., RedisCache]) -> None:
    cache = make(f"redis://127.0.0.1:{free_port()}/0")
    for _ in range(100):
        cache.put({"emb:a": b"1"})
        assert cache.lookup(["emb:a"]) == ([None], "none")
    assert cache.stats.errors == 1


def test_a_server_that_answers_nonsense(make: Callable[..., RedisCache]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"*3\r\n:1\r\n$1\r\nx\r\n+OK\r\n")

        with ThreadPoolExecutor(1) as pool:
            pool.submit(answer)
            cache = make(f"redis://127.0.0.1:{server.getsockname()[1]}/0")
            assert cache.lookup(["emb:a"]) == ([None], "none")


def test_a_key_of_another_type_is_a_miss(redis_url: str, make: Callable[..., RedisCache], admin: Redis) -> None:
    admin.rpush("emb:a", "x")
    cache = make(redis_url)
    cache.put({"emb:b": b"1"})
    assert cache.lookup(["emb:a", "emb:b"])[0] == [None, b"1"]


def test_poison_in_redis_is_a_miss_and_is_overwritten(
    redis_url: str, make: Callable[..., RedisCache], admin: Redis
) -> None:
    cache, secret, tokens = make(redis_url), SECRET, some_tokens()
    blob = seal(tokens, None, cache_key="emb:a", secret=secret)
    flipped = bytearray(blob)
    flipped[40] ^= 1
    for poison in (bytes(flipped), b"", blob[:-1], b"\x80\x04\x95.", b"x" * 100_000):
        admin.set("emb:a", poison)
        (found,), _ = cache.lookup(["emb:a"])
        assert found is not None
        assert unseal(found, cache_key="emb:a", secret=secret) is None
    admin.set("emb:b", blob)
    assert unseal(cache.lookup(["emb:b"])[0][0] or b"", cache_key="emb:b", secret=secret) is None, "swapped"
    cache.put({"emb:a": blob})
    assert unseal(cache.lookup(["emb:a"])[0][0] or b"", cache_key="emb:a", secret=secret) is not None


def test_a_user_with_the_least_rights(redis_server: RedisServer, make: Callable[..., RedisCache], clock: Clock) -> None:
    with Redis.from_url(redis_server.url) as client:
        client.execute_command("ACL", "SETUSER", "earshot", "on", ">pass", "~emb:*", "+mget", "+set")
    cache = make(redis_server.url.replace("redis://", "redis://earshot:pass@"))
    cache.put({"emb:a": b"1"})
    assert cache.lookup(["emb:a"]) == ([b"1"], "redis")
    assert cache.stats.errors == 0
    assert cache.lookup(["other:a"]) == ([None], "none")
    assert cache.stats.errors == 1
    assert cache.breaker.state() == "closed"
    intruder = make(redis_server.url.replace("redis://", "redis://earshot:wrong@"))
    assert intruder.lookup(["emb:a"]) == ([None], "none")
    assert intruder.breaker.state() == "open"


def test_near_tier_spares_redis(redis_url: str, make: Callable[..., RedisCache], admin: Redis) -> None:
    far = make(redis_url)
    far.put({"emb:a": b"1", "emb:b": b"2"})
    cache = TieredCache(MemoryCache(100_000), far)
    assert cache.lookup(["emb:a"]) == ([b"1"], "redis")
    assert cache.lookup(["emb:a"]) == ([b"1"], "memory")
    assert cache.lookup(["emb:a", "emb:b"]) == ([b"1", b"2"], "redis")
    assert cache.lookup(["emb:a", "emb:b"]) == ([b"1", b"2"], "memory")
    assert cache.lookup(["emb:a", "emb:c"]) == ([b"1", None], "memory")
    assert far.stats.hits == 2


def _until_found(cache: RedisCache, clock: Clock) -> bytes | None:
    """A thawed Redis on a busy machine may miss a probe or two: lets the breaker's time pass until it is back."""
    for _ in range(20):
        (value,), _ = cache.lookup(["emb:a"])
        if value is not None:
            return value
        clock.now += 40
    return None


def test_a_url_that_is_none_of_redis() -> None:
    with pytest.raises(SettingsError, match=r"cache\.url: expected redis://") as caught:
        RedisCache(CacheOptions(url=SecretStr("http://user:hunter2@host")))
    assert "hunter2" not in str(caught.value)
    with pytest.raises(SettingsError, match=r"cache\.url: came nothing"):
        RedisCache(CacheOptions())


def test_the_cache_of_the_options(redis_url: str) -> None:
    assert isinstance(open_cache(CacheOptions()), MemoryCache)
    both = open_cache(CacheOptions(url=SecretStr(redis_url)))
    assert isinstance(both, TieredCache) and isinstance(both.far, RedisCache)
    both.far.close()
