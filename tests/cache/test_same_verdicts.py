"""The cache never changes a verdict, only its cost.

Whatever mix of hits, misses, evictions, corruption and restarts a video meets, and whatever company it has in its
batch, its actions are those of a run without a cache and its scores are within 1e-5. Tokens are half precision on
every path, so what is left to move the last bits is the batch.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from pydantic import SecretStr

from engines.bundle import Bundle
from engines.data.world import Truth, render_world
from engines.engine_set import EngineSet
from engines.opening import open_engines
from streamer.assemble import clip_shape
from streamer.cache.memory import MemoryCache
from streamer.cache.protocol import Cache, Tier
from streamer.cache.redis import CacheOptions, RedisCache
from streamer.categories import Categories
from streamer.decode.formats import DecodeOptions
from streamer.embed import Embedder
from streamer.fetch import Fetcher, FetchOptions
from streamer.pipeline import Pipeline
from streamer.policy import Judgement, PolicyOptions
from streamer.recall import Recaller
from streamer.records import TASKS, Batch, Case, Event, Verdict
from streamer.sandbox.host import Sandbox, SandboxOptions
from streamer.score import Scorer
from tests.stream.cases import LINEAGE

SECRET = b"a secret of the tests"


class Nothing:
    """A cache that remembers nothing: the truth to compare with."""

    def lookup(self, keys: Sequence[str]) -> tuple[list[bytes | None], Tier]:
        return [None] * len(keys), "none"

    def put(self, values: Mapping[str, bytes]) -> None:
        pass


class Troubled:
    """A real cache in trouble: values vanish, are cut, flipped, or swapped between keys on their way back."""

    def __init__(self, cache: Cache, rng: random.Random) -> None:
        self.cache = cache
        self.rng = rng
        self.troubles = 0

    def lookup(self, keys: Sequence[str]) -> tuple[list[bytes | None], Tier]:
        values, tier = self.cache.lookup(keys)
        if self.rng.random() < 0.1:
            self.troubles += 1
            self.rng.shuffle(values)
        return [self._harmed(value) for value in values], tier

    def put(self, values: Mapping[str, bytes]) -> None:
        self.cache.put({key: value for key, value in values.items() if self.rng.random() > 0.1})

    def _harmed(self, value: bytes | None) -> bytes | None:
        if value is None or self.rng.random() > 0.3:
            return value
        self.troubles += 1
        place = self.rng.randrange(len(value))
        flipped = value[:place] + bytes([value[place] ^ 1 << self.rng.randrange(8)]) + value[place + 1 :]
        return self.rng.choice([None, b"", value[:place], flipped])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Truth]]:
    folder = tmp_path_factory.mktemp("world")
    return folder, render_world(folder, clips=6, seed=11)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.load("world")


@pytest.fixture(scope="module")
def sandbox(bundle: Bundle) -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(), DecodeOptions(), clip_shape(bundle)) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def engines(bundle: Bundle) -> Iterator[EngineSet]:
    with open_engines(bundle) as engines:
        yield engines


MakePipeline = Callable[[Cache], Pipeline]


@pytest.fixture(scope="module")
def pipeline_with(
    world: tuple[Path, list[Truth]], bundle: Bundle, sandbox: Sandbox, engines: EngineSet
) -> Iterator[MakePipeline]:
    with Fetcher(FetchOptions(file_roots=(world[0],))) as fetcher:
        yield lambda cache: Pipeline(
            fetcher=fetcher,
            sandbox=sandbox,
            recaller=Recaller(bundle, cache, plan_id=sandbox.plan_id, secret=SECRET),
            engines=[
                (Embedder(engines, bundle.embedding_size), Scorer(engines.fusion, Categories(bundle.calibration)))
            ],
            judgement=Judgement(PolicyOptions(), dict.fromkeys(TASKS, 0.5), LINEAGE),
            secret=SECRET,
        )


def events(world: tuple[Path, list[Truth]]) -> list[Event]:
    """Each clip with its own words and with those of another clip: same media, other text."""
    folder, truths = world
    return [
        Event(
            event_id=f"{media.file}/{words.index}",
            source="/test",
            video_id=media.file,
            uri=(folder / media.file).as_uri(),
            title=words.title,
            hashtags=words.hashtags,
            query=words.query or "star",
            tasks=TASKS,
        )
        for media in truths
        for words in (media, truths[0])
    ]


def perceived(pipeline: Pipeline, batch: Sequence[Event]) -> Batch:
    cases: list[Case] = []
    for event in batch:
        with pipeline.fetch(event, timeout_seconds=30) as content:
            cases.append(
                pipeline.perceive(event, content, source=None, received_seconds=time.monotonic(), timeout_seconds=30)
            )
    return Batch(tuple(cases), (0.0,) * len(cases))


def known(case: Case) -> str:
    """How much of a case was recalled."""
    return "fused" if case.recall.fused is not None else "tokens" if case.clip is None else "nothing"


def distance(one: Sequence[Verdict], other: Sequence[Verdict]) -> float:
    assert [verdict.action for verdict in one] == [verdict.action for verdict in other]
    assert [verdict.verdict_id for verdict in one] == [verdict.verdict_id for verdict in other]
    assert [verdict.coverage for verdict in one] == [verdict.coverage for verdict in other]
    return max(abs((a.score or 0.0) - (b.score or 0.0)) for a, b in zip(one, other, strict=True))


def check_cache(
    cache: Cache, pipeline_with: MakePipeline, world: tuple[Path, list[Truth]], restart: Callable[[], Cache]
) -> None:
    rng = random.Random(5)
    all_events = events(world)
    alone = pipeline_with(Nothing())
    truth = {event.event_id: alone.judge(perceived(alone, [event]))[0] for event in all_events}
    troubled = Troubled(cache, rng)
    tiers: set[str] = set()
    mixtures: set[frozenset[str]] = set()
    for turn in range(40):
        if turn % 13 == 12:
            troubled.cache = restart()
        batch = rng.sample(all_events, rng.randint(1, 6))
        batch = list({event.uri: event for event in batch}.values())  # simultaneous duplicates wait for each other
        pipeline = pipeline_with(troubled)
        cases = perceived(pipeline, batch)
        mixtures.add(frozenset(map(known, cases.cases)))
        for event, verdicts in zip(batch, pipeline.judge(cases), strict=True):
            tiers.add(verdicts[0].lineage.cache_tier)
            assert distance(verdicts, truth[event.event_id]) <= 1e-5
    assert troubled.troubles > 20
    assert len(tiers) > 1, "hits and misses both have to occur"
    assert frozenset(("fused", "tokens", "nothing")) in mixtures, "all in one batch"


def test_in_memory(pipeline_with: MakePipeline, world: tuple[Path, list[Truth]]) -> None:
    small = 200_000  # evicts all the time
    check_cache(MemoryCache(small), pipeline_with, world, restart=lambda: MemoryCache(small))


@pytest.mark.services
def test_in_redis(redis_url: str, pipeline_with: MakePipeline, world: tuple[Path, list[Truth]]) -> None:
    options = CacheOptions(url=SecretStr(redis_url), timeout_seconds=2.0)

    def connect() -> RedisCache:
        return RedisCache(options)

    check_cache(connect(), pipeline_with, world, restart=connect)
