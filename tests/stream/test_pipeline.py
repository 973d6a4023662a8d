"""The verbs together, on real files: what the cache saves, and that simultaneous duplicates are decoded once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from engines.data.world import Truth, render_world
from streamer.assemble import Parts, open_parts
from streamer.errors import UndecodableError
from streamer.pipeline import Pipeline
from streamer.records import TASKS, Batch, Case, Cost, Event, Modality, Verdict
from streamer.settings import load_settings

MEDIA = {Modality.VISION, Modality.AUDIO}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Truth]]:
    folder = tmp_path_factory.mktemp("world")
    return folder, [truth for truth in render_world(folder, clips=12, seed=3) if truth.has_picture and truth.has_sound]


@pytest.fixture
def parts(world: tuple[Path, list[Truth]]) -> Iterator[Parts]:
    with open_parts(load_settings(None, {"fetch.file_roots": [str(world[0])]})) as parts:
        yield parts


def event_of(path: Path, **words: object) -> Event:
    fields = {"event_id": "e", "source": "/t", "video_id": "v", "uri": path.as_uri(), "tasks": TASKS, "query": "bell"}
    return Event(**(fields | words))  # type: ignore[arg-type]


def said(verdict: Verdict) -> Verdict:
    """All but when it was reached, from what, and at what cost."""
    lineage = replace(verdict.lineage, cache_tier="none")
    return replace(verdict, lineage=lineage, cost=Cost(), latency_ms={}, decided_at=None)


def perceived(pipeline: Pipeline, event: Event) -> Case:
    with pipeline.fetch(event, timeout_seconds=60) as content:
        return pipeline.perceive(event, content, source=None, received_seconds=time.monotonic(), timeout_seconds=60)


def test_a_re_upload_under_another_name_is_not_decoded_again(
    parts: Parts, world: tuple[Path, list[Truth]], tmp_path: Path
) -> None:
    folder, truths = world
    original = folder / truths[0].file
    first = perceived(parts.pipeline, event_of(original))
    assert first.clip is not None
    (verdicts,) = parts.pipeline.judge(Batch((first,), (0.0,)))
    copy = folder / "copy.mp4"
    copy.write_bytes(original.read_bytes())
    again = perceived(parts.pipeline, event_of(copy))
    assert again.clip is None
    assert again.recall.tier == "memory"
    assert again.recall.fused is not None
    (repeated,) = parts.pipeline.judge(Batch((again,), (0.0,)))
    assert list(map(said, repeated)) == list(map(said, verdicts))
    assert verdicts[0].cost.decode_cpu_ms > 0 and verdicts[0].cost.engine_ms > 0
    assert repeated[0].cost == Cost()


@pytest.mark.parametrize("words", [{"title": "something else"}, {"query": "red star"}, {"hashtags": ("new",)}])
def test_other_words_encode_text_only(parts: Parts, world: tuple[Path, list[Truth]], words: dict[str, object]) -> None:
    path = world[0] / world[1][0].file
    parts.pipeline.judge(Batch((perceived(parts.pipeline, event_of(path)),), (0.0,)))
    case = perceived(parts.pipeline, event_of(path, **words))
    assert case.recall.fused is None
    assert set(case.recall.tokens) == MEDIA
    assert case.clip is None


def test_of_simultaneous_duplicates_one_is_decoded(parts: Parts, world: tuple[Path, list[Truth]]) -> None:
    path = world[0] / world[1][1].file
    cases: list[Case] = []
    led = threading.Event()

    def follow() -> None:
        led.wait(60)
        cases.append(perceived(parts.pipeline, event_of(path)))

    followers = [threading.Thread(target=follow) for _ in range(5)]
    for follower in followers:
        follower.start()
    leader = perceived(parts.pipeline, event_of(path))
    led.set()
    parts.pipeline.judge(Batch((leader,), (0.0,)))
    for follower in followers:
        follower.join(60)
    assert leader.clip is not None
    assert [case.clip for case in cases] == [None] * 5
    assert {verdict.score for case in cases for verdict in parts.pipeline.judge(Batch((case,), (0.0,)))[0][:1]} == {
        parts.pipeline.judge(Batch((cases[0],), (0.0,)))[0][0].score
    }


def test_a_leader_that_fails_hands_the_lead_on(parts: Parts, tmp_path: Path, world: tuple[Path, list[Truth]]) -> None:
    path = world[0] / "text.mp4"
    path.write_text("this is no video")
    for _ in range(2):
        with pytest.raises(UndecodableError):
            perceived(parts.pipeline, event_of(path))


def test_an_absent_modality_is_remembered_as_absent(parts: Parts, world: tuple[Path, list[Truth]]) -> None:
    folder = world[0]
    silent = next(truth for truth in render_world(folder / "more", clips=40, seed=5) if not truth.has_sound)
    event = event_of(folder / "more" / silent.file)
    (first,) = parts.pipeline.judge(Batch((perceived(parts.pipeline, event),), (0.0,)))
    again = perceived(parts.pipeline, event)
    assert again.clip is None
    (second,) = parts.pipeline.judge(Batch((again,), (0.0,)))
    for verdicts in (first, second):
        assert verdicts[0].missing_modalities == (Modality.AUDIO,)
    assert [verdict.score for verdict in first] == [verdict.score for verdict in second]


def test_a_batch_may_mix_what_is_known_with_what_is_not(parts: Parts, world: tuple[Path, list[Truth]]) -> None:
    path, other = (event_of(world[0] / truth.file) for truth in world[1][:2])
    words = event_of(world[0] / world[1][0].file, title="something else")
    (alone,) = parts.pipeline.judge(Batch((perceived(parts.pipeline, path),), (0.0,)))
    mixed = tuple(perceived(parts.pipeline, event) for event in (words, path, other))
    assert [case.recall.fused is not None for case in mixed] == [False, True, False]
    verdicts = parts.pipeline.judge(Batch(mixed, (0.0,) * 3))
    assert list(map(said, verdicts[1])) == list(map(said, alone))
    assert [found[0].cost.engine_ms > 0 for found in verdicts] == [True, False, True]
    for case, found in zip((words, other), (verdicts[0], verdicts[2]), strict=True):
        (expected,) = parts.pipeline.judge(Batch((perceived(parts.pipeline, case),), (0.0,)))
        assert [verdict.score for verdict in found] == [verdict.score for verdict in expected]
