"""Records for tests that need some: an event, a case, scores."""

from __future__ import annotations

import numpy as np

from streamer.policy import Judgement, PolicyOptions
from streamer.records import (
    TASKS,
    Attention,
    Case,
    Content,
    Coverage,
    Event,
    Float32,
    Fused,
    Lineage,
    Marks,
    Modality,
    Recall,
    Scores,
    Source,
    Text,
)

COVERAGE = Coverage(
    plan_id="plan",
    duration_seconds=4.0,
    frames=2,
    largest_gap_seconds=1.5,
    audio_seconds=3.84,
    audio_duration_seconds=4.0,
)

LINEAGE = Lineage(
    content_sha256=None,
    bundle_id="b" * 64,
    engine="constant",
    preprocessing_id="p",
    calibration_id="c",
    policy_version="v",
    cache_tier="none",
    ffmpeg_version="8",
    earshot_version="0",
)


def attention() -> Attention:
    """Two frames and three windows."""
    vision_KT = np.array([[0.1, 0.2], [0.02, 0.5], [0.1, 0.1]], np.float32)
    audio_KT = np.array([[0.1, 0.1, 0.1], [0.3, 0.02, 0.01], [0.1, 0.1, 0.1]], np.float32)
    return Attention(
        vision_KT,
        audio_KT,
        text_K=1 - vision_KT.sum(1) - audio_KT.sum(1),
        vision_spans_T2=np.array([[0.0, 0.0], [2.5, 2.5]]),
        audio_spans_T2=np.array([[0.0, 0.96], [0.96, 1.92], [1.92, 2.88]]),
    )


def event(**changes: object) -> Event:
    fields: dict[str, object] = {
        "event_id": "e1",
        "source": "/test",
        "video_id": "v1",
        "uri": "file:///v1.mp4",
        "tasks": TASKS,
        "query": "star",
    }
    return Event(**(fields | changes))  # type: ignore[arg-type]


def case(**changes: object) -> Case:
    return Case(
        event=event(**changes),
        content=Content("/spool/1", "a" * 64, 10),
        recall=Recall(Text(np.array([1]), np.array([0])), {}, "", None, {}, COVERAGE, "redis"),
        clip=None,
        coverage=COVERAGE,
        received_seconds=0.0,
        latency_ms={"fetch": 1.0},
        source=Source(topic="in", partition=0, offset=7),
    )


def scores(clickbait: float = 0.1, adult: float = 0.1, relevance: float = 0.9) -> Scores:
    scores_K = np.array([clickbait, adult, relevance], np.float32)
    without_KM = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]], np.float32)
    fused = Fused(
        logits_K=logit(scores_K),
        without_KM=logit(without_KM),
        embedding_D=np.ones(1, np.float32),
        novelty={Modality.VISION: 0.5, Modality.AUDIO: 0.25},
        views={},
        attention=attention(),
        vision_marks=Marks.none(2),
        audio_marks=Marks.none(3),
    )
    return Scores(
        fused,
        logits_K=fused.logits_K,
        scores_K=scores_K,
        network_K=scores_K,
        attribution_KM=fused.logits_K[:, None] - fused.without_KM,
        without_KM=without_KM,
        categories=((), (), ()),
    )


def logit(scores: Float32) -> Float32:
    return np.log(scores / (1 - scores))


def judgement(**policy: object) -> Judgement:
    return Judgement(PolicyOptions(**policy), dict.fromkeys(TASKS, 0.5), LINEAGE)  # type: ignore[arg-type]
