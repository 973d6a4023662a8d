"""The answer to one task of one event, and how it was reached."""

from __future__ import annotations

import msgspec

from streamer.records.clip import Coverage
from streamer.records.event import Source
from streamer.records.terms import Action, Modality, State, Task


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """A span of the video that the score rests on. `weight` is its share of the score in [0, 1].

    name: what was seen or heard there, where a tower knows it: "Gunshot, gunfire".
    """

    modality: Modality
    weight: float
    start_ms: int | None = None
    end_ms: int | None = None
    name: str | None = None


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is needed to say how a verdict was reached."""

    content_sha256: str | None
    bundle_id: str
    engine: str
    preprocessing_id: str
    calibration_id: str
    policy_version: str
    cache_tier: str
    ffmpeg_version: str
    earshot_version: str


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What the verdict cost: CPU time of the decode child, wall time in engines (its share of the batch)."""

    decode_cpu_ms: float = 0.0
    engine_ms: float = 0.0


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one task of one event. `score` is a calibrated probability; None when nothing was scored."""

    verdict_id: str
    video_id: str
    event_id: str
    task: Task
    state: State
    action: Action
    reason: str | None
    logit: float | None
    score: float | None
    threshold: float
    evidence: tuple[Evidence, ...]
    categories: dict[str, float]
    attribution: dict[Modality, float]
    missing_modalities: tuple[Modality, ...]
    coverage: Coverage | None
    novelty: float | None
    novelty_by: dict[Modality, float] = {}
    lineage: Lineage
    latency_ms: dict[str, float]
    cost: Cost
    source: Source | None
    tenant: str | None = None
    decided_at: str | None = None
    traceparent: str | None = None
