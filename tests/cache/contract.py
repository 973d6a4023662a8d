"""What every cache has to do; each kind of cache inherits these tests."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from streamer.cache.protocol import Cache, Tier


class CacheContract:
    """Subclasses give a fixture `cache` (an empty one, room for a megabyte) and the tier it reports."""

    tier: Tier

    def test_knows_nothing_at_first(self, cache: Cache) -> None:
        assert cache.lookup(["a", "b"]) == ([None, None], "none")

    def test_nothing_asked_is_nothing_found(self, cache: Cache) -> None:
        assert cache.lookup([]) == ([], "none")
        cache.put({})

    def test_gives_what_was_put_in_the_order_asked(self, cache: Cache) -> None:
        cache.put({"a": b"1", "b": b"\x00\xff" * 1000})
        assert cache.lookup(["b", "missing", "a"]) == ([b"\x00\xff" * 1000, None, b"1"], self.tier)

    def test_same_key_twice_in_one_question(self, cache: Cache) -> None:
        cache.put({"a": b"1"})
        assert cache.lookup(["a", "a"])[0] == [b"1", b"1"]

    def test_a_second_value_replaces_the_first(self, cache: Cache) -> None:
        cache.put({"a": b"1"})
        cache.put({"a": b"2"})
        assert cache.lookup(["a"])[0] == [b"2"]

    def test_an_empty_value_is_a_value(self, cache: Cache) -> None:
        cache.put({"a": b""})
        assert cache.lookup(["a"])[0] == [b""]

    def test_a_value_too_large_is_left_out_and_the_rest_kept(self, cache: Cache) -> None:
        cache.put({"large": bytes(2_000_000), "small": b"1"})
        assert cache.lookup(["large", "small"])[0] == [None, b"1"]

    def test_many_threads(self, cache: Cache) -> None:
        start = threading.Barrier(8)

        def work(n: int) -> list[bytes | None]:
            start.wait()
            for turn in range(20):
                cache.put({f"{n}": f"{n}:{turn}".encode()})
                cache.lookup([str(other) for other in range(8)])
            return cache.lookup([f"{n}"])[0]

        with ThreadPoolExecutor(8) as pool:
            results = [future.result() for future in [pool.submit(work, n) for n in range(8)]]
        for n, found in enumerate(results):
            assert found in ([f"{n}:19".encode()], [None]), "a value that was never put last"
