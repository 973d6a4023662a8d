"""What the key of a remembered answer depends on: whatever could change the answer makes it a miss."""

from __future__ import annotations

import copy

import pytest

from engines.bundle import Bundle
from engines.manifest import KNOWN
from streamer.cache.memory import MemoryCache
from streamer.recall import Recaller
from streamer.records import Case, Content, Event, Fusion, Modality, Recall
from tests.cache.test_fused import bits, some_fused
from tests.cache.tokens import COVERAGE
from tests.stream.cases import event

SECRET = b"a secret of the tests"
SHA256 = "a" * 64


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.load("world")


@pytest.fixture
def cache() -> MemoryCache:
    return MemoryCache(2**20)


def recaller(bundle: Bundle, cache: MemoryCache, plan_id: str = "plan") -> Recaller:
    return Recaller(bundle, cache, plan_id=plan_id, secret=SECRET)


def case_of(event: Event, recall: Recall) -> Case:
    content = Content("/spool/1", SHA256, 10)
    return Case(event, content, recall, None, COVERAGE, received_seconds=0.0, latency_ms={}, source=None)


@pytest.fixture
def known(bundle: Bundle, cache: MemoryCache) -> Event:
    """An event whose answer is remembered; its tokens are not."""
    asked = event(title="a red star", query="bell")
    memory = recaller(bundle, cache)
    memory.keep_fused([case_of(asked, memory.recall(asked, SHA256))], Fusion((some_fused(),), 1.0))
    return asked


def test_the_same_video_and_words_are_known_whoever_sends_them(
    bundle: Bundle, cache: MemoryCache, known: Event
) -> None:
    again = event(event_id="e2", video_id="v2", uri="file:///other.mp4", title=known.title, query=known.query)
    recall = recaller(bundle, cache).recall(again, SHA256)
    assert recall.fused is not None
    assert bits(recall.fused) == bits(some_fused())
    assert (recall.coverage, recall.tier, recall.tokens) == (COVERAGE, "memory", {})


@pytest.mark.parametrize(
    "words", [{"title": "other"}, {"query": "other"}, {"description": "other"}, {"hashtags": ("other",)}]
)
def test_other_words_are_not_known(bundle: Bundle, cache: MemoryCache, known: Event, words: dict[str, object]) -> None:
    recall = recaller(bundle, cache).recall(event(**({"title": known.title, "query": known.query} | words)), SHA256)
    assert (recall.fused, recall.coverage, recall.tier) == (None, None, "none")


def test_a_bundle_that_measures_novelty_by_other_clips_is_not_answered(
    bundle: Bundle, cache: MemoryCache, known: Event
) -> None:
    for known_id in ("c" * 64, "d" * 64):
        other = copy.copy(bundle)
        other._hashes = bundle._hashes | {KNOWN: known_id}
        memory = recaller(other, cache)
        assert memory.recall(known, SHA256).fused is None
        memory.keep_fused([case_of(known, memory.recall(known, SHA256))], Fusion((some_fused(),), 1.0))
        assert memory.recall(known, SHA256).fused is not None
    assert other.fingerprint("fusion") == bundle.fingerprint("fusion"), "plans and tokens stay good"


def test_another_video_is_not_known(bundle: Bundle, cache: MemoryCache, known: Event) -> None:
    assert recaller(bundle, cache).recall(known, "b" * 64).fused is None


def test_another_sampling_plan_is_not_known(bundle: Bundle, cache: MemoryCache, known: Event) -> None:
    assert recaller(bundle, cache, plan_id="other").recall(known, SHA256).fused is None


@pytest.mark.parametrize("graph", [*Modality, "fusion"])
def test_another_graph_is_not_known(bundle: Bundle, cache: MemoryCache, known: Event, graph: str) -> None:
    retrained = copy.copy(bundle)
    retrained._hashes = bundle._hashes | {f"{graph}.onnx": "0" * 64}
    assert recaller(retrained, cache).recall(known, SHA256).fused is None
    assert recaller(bundle, cache).recall(known, SHA256).fused is not None


def test_another_secret_is_not_known(bundle: Bundle, cache: MemoryCache, known: Event) -> None:
    assert Recaller(bundle, cache, plan_id="plan", secret=b"other").recall(known, SHA256).fused is None


def test_engines_with_other_numbers_are_not_known(bundle: Bundle, cache: MemoryCache, known: Event) -> None:
    other = Recaller(bundle, cache, plan_id="plan", secret=SECRET, numerics="trt-fp16")
    recall = other.recall(known, SHA256)
    assert (recall.fused, recall.coverage) == (None, None)
    assert recall.fused_key.endswith(SHA256)


def test_all_that_is_kept_of_a_video_can_be_found_by_its_hash(bundle: Bundle, cache: MemoryCache, known: Event) -> None:
    recall = recaller(bundle, cache).recall(known, SHA256)
    media = [recall.keys[Modality.VISION], recall.keys[Modality.AUDIO], recall.fused_key]
    assert all(key.startswith("emb:") and key.endswith(SHA256) for key in media)
    assert SHA256 not in recall.keys[Modality.TEXT]
