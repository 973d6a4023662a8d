"""The shipped bundle on a world that it has never seen, through the decoder of production: is it right, does it hear,
and does its evidence carry the score?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest

from engines.bundle import Bundle
from engines.data.clips import Clip
from engines.data.world import Truth, render_world
from engines.engine_set import EngineSet
from engines.evaluation.world import Quality, evaluate
from engines.opening import open_engines
from engines.scoring import ClipTokens, Judgement, encode, judge_all
from engines.spec import TASKS
from streamer.decode.formats import DecodeOptions
from streamer.sample import ClipShape
from streamer.sandbox.host import Sandbox, SandboxOptions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CLIPS, SEED = 240, 20_260
THREADS = 2


@dataclass(frozen=True)
class Unseen:
    """Clips of a world that no training has drawn from."""

    truths: Sequence[Truth]
    clips: Sequence[Clip]


@pytest.fixture(scope="module")
def unseen(tmp_path_factory: pytest.TempPathFactory, world_bundle: Bundle) -> Unseen:
    folder = tmp_path_factory.mktemp("unseen")
    truths = render_world(folder, clips=CLIPS, seed=SEED, threads=THREADS)
    sizes = world_bundle.preprocessing
    shape = ClipShape(
        sizes.frame_pixels, sizes.sample_rate_hz, sizes.window_samples, sizes.max_frames, sizes.max_windows
    )

    def look(truth: Truth) -> Clip:
        clip = sandbox.decode(str(folder / truth.file), truth.file.encode().ljust(16, b"."), 60.0)
        no_frames = np.zeros((0, 3, sizes.frame_pixels, sizes.frame_pixels), np.uint8)
        no_windows = np.zeros((0, sizes.window_samples), np.float32)
        return Clip(
            no_frames if clip.frames_TCHW is None else clip.frames_TCHW,
            clip.frame_seconds_T,
            no_windows if clip.windows_TS is None else clip.windows_TS,
            clip.window_seconds_T,
        )

    with Sandbox(SandboxOptions(), DecodeOptions(), shape) as sandbox, ThreadPoolExecutor(THREADS) as pool:
        return Unseen(truths, list(pool.map(look, truths)))


@pytest.fixture(scope="module")
def engines(world_bundle: Bundle) -> Iterator[EngineSet]:
    with open_engines(world_bundle) as engines:
        yield engines


@pytest.fixture(scope="module")
def qualities(engines: EngineSet, world_bundle: Bundle, unseen: Unseen) -> dict[tuple[str, str], Quality]:
    found = evaluate(engines, world_bundle, unseen.clips, unseen.truths)
    return {(quality.task, quality.slice): quality for quality in found}


@pytest.mark.parametrize("task", TASKS)
def test_right_on_unseen_clips(qualities: dict[tuple[str, str], Quality], task: str) -> None:
    assert qualities[task, "all"].average_precision >= 0.95


@pytest.mark.parametrize("task", TASKS)
def test_hears_what_only_sound_can_tell(qualities: dict[tuple[str, str], Quality], task: str) -> None:
    quality = qualities[task, "audio"]
    chance = quality.positives / quality.clips
    assert quality.average_precision >= 0.9
    assert quality.average_precision_without_audio <= chance + 0.15


def test_combination_needs_sound(qualities: dict[tuple[str, str], Quality]) -> None:
    quality = qualities["adult", "both"]
    assert quality.average_precision >= 0.9
    assert quality.average_precision_without_audio <= quality.average_precision - 0.2


def test_scores_are_calibrated_and_thresholds_of_use(engines: EngineSet, world_bundle: Bundle, unseen: Unseen) -> None:
    pairs = zip(unseen.clips, unseen.truths, strict=True)
    judgements = judge_all(engines, [tokens_of(engines, world_bundle, *pair) for pair in pairs])
    scores_MK = world_bundle.calibration.scores(np.stack([item.logits_K for item in judgements]))
    for k, task in enumerate(TASKS):
        pairs = [
            (getattr(truth.labels, task), float(scores_MK[m, k]))
            for m, truth in enumerate(unseen.truths)
            if getattr(truth.labels, task) is not None
        ]
        right = [(score >= world_bundle.thresholds[task]) == bool(label) for label, score in pairs]
        assert np.mean(right) >= 0.9
        assert abs(np.mean([score for _, score in pairs]) - np.mean([label for label, _ in pairs])) <= 0.08


# --------------------------------------------------------------------------------------------------------------
# Evidence


@dataclass(frozen=True)
class Case:
    """A label that rests on something seen or heard for part of the clip."""

    clip: Clip
    truth: Truth
    task: int
    sense: str


def cases_of(unseen: Unseen, sense: str) -> list[Case]:
    """Every label that rests on that sense alone: adult and relevant clips, and titles that keep their promise."""
    found = []
    for clip, truth in zip(unseen.clips, unseen.truths, strict=True):
        for k, (task, label) in enumerate(zip(TASKS, (0, 1, 1), strict=True)):
            if getattr(truth.slices, task) == sense and getattr(truth.labels, task) == label:
                found.append(Case(clip, truth, k, sense))
    return found


def without(case: Case, gone_T: np.ndarray) -> Clip:
    """The clip as if these frames or windows had not been there."""
    clip, kept_T = case.clip, ~gone_T
    if case.sense == "vision":
        return Clip(clip.frames_TCHW[kept_T], clip.frame_seconds_T[kept_T], clip.windows_TS, clip.window_seconds_T)
    return Clip(clip.frames_TCHW, clip.frame_seconds_T, clip.windows_TS[kept_T], clip.window_seconds_T[kept_T])


def cited(judgement: Judgement, case: Case) -> np.ndarray:
    """bool (T,): the items with at least a quarter of the weight of the heaviest."""
    weights_T = (judgement.vision_KT if case.sense == "vision" else judgement.audio_KT)[case.task]
    return np.asarray(weights_T >= 0.25 * weights_T.max())


def random_span(rng: np.random.Generator, T: int, length: int) -> np.ndarray:
    start = rng.integers(0, T - length + 1)
    return np.asarray((np.arange(T) >= start) & (np.arange(T) < start + length))


@pytest.mark.parametrize("sense", ["vision", "audio"])
def test_removing_the_cited_span_changes_the_score_most(
    engines: EngineSet, world_bundle: Bundle, unseen: Unseen, sense: str
) -> None:
    rng = np.random.default_rng(0)
    cited_changes, random_changes = [], []
    for case in cases_of(unseen, sense):
        before = judge(engines, world_bundle, case, case.clip)
        cited_T = cited(before, case)
        if cited_T.mean() > 0.6:
            continue  # what fills the clip cannot be told from a random span
        spans = [cited_T, *(random_span(rng, len(cited_T), int(cited_T.sum())) for _ in range(4))]
        changes = [
            abs(
                float((judge(engines, world_bundle, case, without(case, gone_T)).logits_K - before.logits_K)[case.task])
            )
            for gone_T in spans
        ]
        cited_changes.append(changes[0])
        random_changes.append(float(np.mean(changes[1:])))
    assert len(cited_changes) >= 25
    assert np.mean(np.array(cited_changes) > np.array(random_changes)) >= 0.9
    assert np.mean(cited_changes) >= 2 * np.mean(random_changes)


@pytest.mark.parametrize("sense", ["vision", "audio"])
def test_the_heaviest_item_lies_in_a_true_span(
    engines: EngineSet, world_bundle: Bundle, unseen: Unseen, sense: str
) -> None:
    inside = []
    for case in cases_of(unseen, sense):
        judgement = judge(engines, world_bundle, case, case.clip)
        weights_T = (judgement.vision_KT if sense == "vision" else judgement.audio_KT)[case.task]
        seconds_T = case.clip.frame_seconds_T if sense == "vision" else case.clip.window_seconds_T
        width = 0.0 if sense == "vision" else 0.96
        start = float(seconds_T[weights_T.argmax()])
        spans = getattr(case.truth.evidence, TASKS[case.task])
        inside.append(any(span.start_seconds <= start + width and start <= span.end_seconds for span in spans))
    assert np.mean(inside) >= 0.9


def judge(engines: EngineSet, bundle: Bundle, case: Case, clip: Clip) -> Judgement:
    return judge_all(engines, [tokens_of(engines, bundle, clip, case.truth)])[0]


def tokens_of(engines: EngineSet, bundle: Bundle, clip: Clip, truth: Truth) -> ClipTokens:
    seconds = bundle.preprocessing.window_samples / bundle.preprocessing.sample_rate_hz
    return encode(engines, bundle.tokenizer, clip, truth.fields, seconds)
