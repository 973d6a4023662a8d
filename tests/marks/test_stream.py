"""A bundle that names what it sees and hears, from the exported graphs to the verdict: names, categories, evidence."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from msgspec.structs import replace

from engines.bundle import Bundle
from streamer.assemble import Parts, open_parts
from streamer.errors import SettingsError
from streamer.records import TASKS, Batch, Case, Cost, Event, Evidence, Modality, Task, Verdict
from streamer.report.words import why
from streamer.settings import load_settings
from tests.media.rendering import write_sound

pytestmark = [pytest.mark.train, pytest.mark.slow]

RATE_HZ, SECONDS = 16_000, 12
BURST = (6.2, 6.9)
RED, GREY = (230, 20, 20), (128, 128, 128)


def render(path: Path, colour: tuple[int, int, int], *, burst: bool) -> Path:
    """Twelve seconds of one colour with a quiet hum, and for a moment a loud noise."""
    rng = np.random.default_rng(0)
    moments_S = np.arange(SECONDS * RATE_HZ) / RATE_HZ
    samples_S = 0.02 * np.sin(2 * np.pi * 200 * moments_S)
    if burst:
        samples_S += np.where(
            (moments_S > BURST[0]) & (moments_S < BURST[1]), rng.uniform(-0.9, 0.9, len(moments_S)), 0
        )
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=5)
        video.width = video.height = 128
        video.pix_fmt = "yuv420p"
        sound = container.add_stream("aac", rate=RATE_HZ, layout="mono")
        for _ in range(5 * SECONDS):
            frame = av.VideoFrame.from_ndarray(np.full((128, 128, 3), colour, np.uint8), format="rgb24")
            container.mux(video.encode(frame.reformat(format="yuv420p")))
        container.mux(video.encode(None))
        write_sound(container, sound, samples_S.astype(np.float32), RATE_HZ)
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    render(folder / "calm.mp4", GREY, burst=False)
    render(folder / "shot.mp4", GREY, burst=True)
    render(folder / "red.mp4", RED, burst=False)
    return folder


Open = Callable[..., Any]


@pytest.fixture(scope="module")
def parts(marked_bundle: Bundle, clips: Path) -> Iterator[Parts]:
    with opened(marked_bundle, clips) as parts:
        yield parts


def opened(bundle: Bundle, clips: Path, **policy: object) -> Any:
    values = {"fetch.file_roots": [str(clips)], "engine.bundle": str(bundle.path)}
    return open_parts(load_settings(None, values | {f"policy.{name}": value for name, value in policy.items()}))


def perceived(parts: Parts, path: Path, **words: object) -> Case:
    fields = {"event_id": "e", "source": "/t", "video_id": "v", "uri": path.as_uri(), "tasks": TASKS, "query": "red"}
    event = Event(**(fields | words))  # type: ignore[arg-type]
    with parts.pipeline.fetch(event, timeout_seconds=60) as content:
        return parts.pipeline.perceive(
            event, content, source=None, received_seconds=time.monotonic(), timeout_seconds=60
        )


def judged(parts: Parts, path: Path, **words: object) -> dict[Task, Verdict]:
    (verdicts,) = parts.pipeline.judge(Batch((perceived(parts, path, **words),), (0.0,)))
    return {verdict.task: verdict for verdict in verdicts}


def said(verdict: Verdict) -> Verdict:
    """All but when it was reached, from what, and at what cost."""
    lineage = replace(verdict.lineage, cache_tier="none")
    return replace(verdict, lineage=lineage, cost=Cost(), latency_ms={}, decided_at=None)


def test_a_shot_over_harmless_pictures_is_heard_named_and_placed(parts: Parts, clips: Path) -> None:
    shot, calm = judged(parts, clips / "shot.mp4")[Task.ADULT], judged(parts, clips / "calm.mp4")[Task.ADULT]
    assert shot.categories["violent"] > 0.9 > 0.1 > calm.categories["violent"]
    assert shot.score is not None and calm.score is not None
    assert shot.score == pytest.approx(shot.categories["violent"], abs=1e-6)
    assert shot.score > calm.score
    (heard,) = [item for item in shot.evidence if item.name == "Gunshot, gunfire"]
    assert heard.modality is Modality.AUDIO
    assert heard.start_ms is not None and heard.end_ms is not None
    assert abs(heard.start_ms / 1000 - BURST[0]) < 1 and abs(heard.end_ms / 1000 - BURST[1]) < 1
    assert shot.attribution[Modality.AUDIO] > 0.5 > abs(shot.attribution[Modality.VISION])
    assert not [item for item in calm.evidence if item.name == "Gunshot, gunfire"]


def test_a_category_of_the_picture_counts_as_well(parts: Parts, clips: Path) -> None:
    red = judged(parts, clips / "red.mp4")[Task.ADULT]
    assert red.categories["sexual"] > 0.9 > 0.1 > red.categories["violent"]
    (seen,) = [item for item in red.evidence if item.name == "sexual"]
    assert seen.modality is Modality.VISION
    assert red.attribution[Modality.VISION] > 0.5 > abs(red.attribution[Modality.AUDIO])


def test_spans_are_named_for_every_task_and_for_people(parts: Parts, clips: Path) -> None:
    verdicts = judged(parts, clips / "red.mp4")
    names = {
        task: {(item.modality, item.name) for item in verdict.evidence if item.modality is not Modality.TEXT}
        for task, verdict in verdicts.items()
    }
    assert names[Task.CLICKBAIT] <= {(Modality.VISION, "red"), (Modality.AUDIO, "Hum")}
    assert any(names.values())
    assert why(verdicts[Task.ADULT]).startswith("seen sexual ")


@pytest.mark.parametrize("name", ["shot.mp4", "red.mp4"])
def test_a_recalled_verdict_is_the_fresh_one(marked_bundle: Bundle, clips: Path, name: str) -> None:
    with opened(marked_bundle, clips) as fresh_parts:
        fresh = judged(fresh_parts, clips / name)
        again = judged(fresh_parts, clips / name)
        tokens_only = judged(fresh_parts, clips / name, title="a loud red clip")
        fused = judged(fresh_parts, clips / name, title="a loud red clip")
    assert {verdict.lineage.cache_tier for verdict in again.values()} == {"memory"}
    for task, verdict in fresh.items():
        assert said(again[task]) == said(verdict)
        assert said(fused[task]) == said(tokens_only[task])
        assert tokens_only[task].lineage.cache_tier == "memory"
    assert tokens_only[Task.ADULT].categories.keys() == fresh[Task.ADULT].categories.keys()
    for category in ("sexual", "violent"):
        assert tokens_only[Task.ADULT].categories[category] == fresh[Task.ADULT].categories[category]


def test_marks_stay_with_their_video_in_a_batch(parts: Parts, clips: Path, marked_bundle: Bundle) -> None:
    with opened(marked_bundle, clips) as fresh_parts:
        cases = tuple(perceived(fresh_parts, clips / f"{name}.mp4") for name in ("calm", "shot", "red"))
        together = fresh_parts.pipeline.judge(Batch(cases, (0.0,) * 3))
    for name, verdicts in zip(("calm", "shot", "red"), together, strict=True):
        alone = judged(parts, clips / f"{name}.mp4")[Task.ADULT]
        (adult,) = [verdict for verdict in verdicts if verdict.task is Task.ADULT]
        assert adult.categories["violent"] == pytest.approx(alone.categories["violent"], abs=1e-5)
        assert adult.categories["sexual"] == pytest.approx(alone.categories["sexual"], abs=1e-5)
        assert [item.name for item in adult.evidence] == [item.name for item in alone.evidence]


def test_the_policy_says_which_categories_count(marked_bundle: Bundle, clips: Path, parts: Parts) -> None:
    with opened(marked_bundle, clips, **{"adult.categories": ["sexual"], "version": "no shots"}) as lenient:
        shot = judged(lenient, clips / "shot.mp4")[Task.ADULT]
    strict = judged(parts, clips / "shot.mp4")[Task.ADULT]
    assert shot.categories["violent"] == strict.categories["violent"]
    assert shot.score is not None and strict.score is not None
    assert shot.score < 0.9 < strict.score
    assert shot.verdict_id != strict.verdict_id


def test_a_policy_that_counts_what_is_not_there_does_not_start(marked_bundle: Bundle, clips: Path) -> None:
    wrong = opened(marked_bundle, clips, **{"adult.categories": ["rude"]})
    with pytest.raises(SettingsError, match=r"policy.adult.categories: came \['rude'\], the bundle has \['sexual'"):
        wrong.__enter__()


def test_a_bundle_without_marks_judges_as_before(clips: Path) -> None:
    with opened(Bundle.load("world"), clips) as world:
        verdicts = judged(world, clips / "shot.mp4")
    for verdict in verdicts.values():
        assert set(verdict.categories) == {"seen", "heard"}
        assert all(item.name is None for item in verdict.evidence)
        assert all(isinstance(item, Evidence) for item in verdict.evidence)
