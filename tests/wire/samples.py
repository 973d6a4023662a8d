"""Records and messages that the tests of the wire share."""

from __future__ import annotations

import json
from typing import Any

from streamer.records import (
    Action,
    Cost,
    Coverage,
    Event,
    Evidence,
    Label,
    LabelRequest,
    Like,
    Lineage,
    Message,
    Modality,
    Outcome,
    Outgoing,
    Position,
    Source,
    State,
    Task,
    Verdict,
)

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
DATA: dict[str, Any] = {"video_id": "v-1", "uri": "https://media.example/v-1.mp4"}
ATTRIBUTES = {"ce_specversion": "1.0", "ce_id": "e-1", "ce_source": "/uploads", "ce_type": "media.video.uploaded.v1"}

EVENT = Event(
    event_id="e-1",
    source="/uploads",
    video_id="v-1",
    uri="s3://media/v-1.mp4",
    title="Ten tricks — you won't believe №7",
    description="Line one\nline two",
    hashtags=("tricks", "müll"),
    query="card tricks",
    tasks=(Task.CLICKBAIT, Task.RELEVANCE),
    tenant="acme",
    locale="de-CH",
    uploader="u-77",
    uploaded_at="2026-05-04T03:02:01.5Z",
    sha256="ab" * 32,
    size_bytes=12_345,
    deadline_seconds=90.5,
    traceparent=TRACEPARENT,
)

VERDICT = Verdict(
    verdict_id="f" * 64,
    video_id="v-1",
    event_id="e-1",
    task=Task.ADULT,
    state=State.DECIDED,
    action=Action.REVIEW,
    reason=None,
    logit=1.25,
    score=0.77,
    threshold=0.5,
    evidence=(Evidence(modality=Modality.AUDIO, weight=0.75, start_ms=1_000, end_ms=2_000),),
    categories={"sound": 0.7},
    attribution={Modality.AUDIO: 2.5, Modality.VISION: -0.25},
    missing_modalities=(Modality.TEXT,),
    coverage=Coverage(
        plan_id="p",
        duration_seconds=30.0,
        frames=8,
        largest_gap_seconds=4.5,
        audio_seconds=20.0,
        audio_duration_seconds=30.0,
        notes=("two sound tracks",),
    ),
    novelty=0.99,
    novelty_by={Modality.AUDIO: 0.99},
    lineage=Lineage(
        content_sha256="ab" * 32,
        bundle_id="cd" * 32,
        engine="onnxruntime-1.32.0-cpu",
        preprocessing_id="p",
        calibration_id="c",
        policy_version="1",
        cache_tier="none",
        ffmpeg_version="8.0",
        earshot_version="0.1.0",
    ),
    latency_ms={"fetch": 12.5, "decode": 300.0},
    cost=Cost(decode_cpu_ms=250.0, engine_ms=20.0),
    source=Source(topic="media.video.uploaded.v1", partition=2, offset=41),
    tenant="acme",
    decided_at="2026-05-04T03:02:09Z",
    traceparent=TRACEPARENT,
)


def message(
    value: bytes | None, headers: dict[str, str] | None = None, *, topic: str = "in", offset: int = 7
) -> Message:
    """A message in binary mode unless `headers` say otherwise."""
    texts = ATTRIBUTES if headers is None else headers
    encoded = tuple((name, text.encode()) for name, text in texts.items())
    return Message(Position(topic, 0, offset), b"key", value, encoded, 1_000)


def binary(**changes: Any) -> Message:
    """A binary-mode event whose data differ from `DATA` by `changes`; `...` leaves a field out."""
    data = {name: value for name, value in {**DATA, **changes}.items() if value is not ...}
    return message(json.dumps(data).encode())


def structured(**changes: Any) -> Message:
    """A structured-mode event whose attributes differ by `changes`; `...` leaves one out."""
    event = {"specversion": "1.0", "id": "e-1", "source": "/uploads", "type": "media.video.uploaded.v1", "data": DATA}
    value = {name: value for name, value in {**event, **changes}.items() if value is not ...}
    return message(json.dumps(value).encode(), {"content-type": "application/cloudevents+json; charset=UTF-8"})


def arrived(outgoing: Outgoing, *, offset: int = 9) -> Message:
    """What a consumer sees of a produced record."""
    return Message(Position(outgoing.topic, 1, offset), outgoing.key, outgoing.value, outgoing.headers, 2_000)


REQUEST = LabelRequest(
    request_id="ab" * 32,
    video_id="v-1",
    task=Task.RELEVANCE,
    strategy="lsb",
    arm="like reports",
    reason="like v-7 (0.91), which was reported; model unsure (0.48)",
    score=0.48,
    like=(Like(video_id="v-7", similarity=0.91, label=None), Like(video_id="v-8", similarity=0.83, label=1)),
    bundle="cd" * 32,
    query="card tricks",
    title="Ten tricks — №7",
    uri="s3://media/v-1.mp4",
    tenant="acme",
    requested_at="2026-05-04T03:02:09+00:00",
)

LABEL = Label(
    label_id="12" * 32,
    video_id="v-1",
    task=Task.RELEVANCE,
    value=3,
    rater="r-17",
    source="sheet",
    adjudicated=True,
    query="card tricks",
    request_id="ab" * 32,
    tenant="acme",
    labelled_at="2026-05-04T09:30:00+00:00",
    applied_at="2026-05-05T08:00:00+00:00",
)

OUTCOME = Outcome(
    outcome_id="34" * 32,
    unit="viewer-7",
    values={"views": 12.0, "quality_views": 7.0, "revenue": 0.25, "views_before": 10.0},
    observed_at="2026-05-05T00:00:00+00:00",
    arm="treatment",
    experiment="new-verdicts",
    tenant="acme",
)
