"""Reports made by hand: every kind of ending, sound and picture, and a title that means harm."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import zip_longest

import numpy as np

from streamer.audit import AuditReport
from streamer.records import (
    Action,
    Clip,
    Cost,
    Coverage,
    Event,
    Evidence,
    Lineage,
    Media,
    Modality,
    Source,
    State,
    Task,
    UInt8,
    Verdict,
)
from streamer.report.shown import DeadLetter, Reupload, Shown, Summary, TrueSpan, Truth

HOSTILE = """</title><script>window.hacked=1</script><img src=x onerror="window.hacked=1">'" onload="window.hacked=1"""

_RATE_HZ = 16_000


def clip(seconds: float = 12.0, *, frames: int = 8, windows: int = 3, pixels: int = 96) -> Clip:
    """A moving disc on a gradient, and a tone that climbs from window to window."""
    moments_T = np.clip(np.linspace(0.04, seconds - 0.3, frames) + 0.2 * np.sin(np.arange(frames)), 0, seconds)
    time_S = np.arange(_RATE_HZ) / _RATE_HZ
    windows_TS = [0.4 * np.sin(2 * np.pi * (300 * 2**index) * time_S * (1 + time_S)) for index in range(windows)]
    return Clip(
        frames_TCHW=np.stack([_frame(pixels, index / frames) for index in range(frames)]) if frames else None,
        frame_seconds_T=moments_T,
        windows_TS=np.array(windows_TS, np.float32) if windows else None,
        window_seconds_T=np.linspace(0.5, seconds - 1.5, windows),
        window_span_seconds=1.0,
        coverage=coverage(seconds, frames=frames, windows=windows),
        media=Media(container="mov,mp4", video_codec="h264", width=1080, height=1920, audio_codec="aac"),
        decode_cpu_ms=31.0,
    )


def coverage(seconds: float, *, frames: int, windows: int) -> Coverage:
    """What a plan of that many frames and windows would report."""
    return Coverage(
        plan_id="p" * 16,
        duration_seconds=seconds,
        frames=frames,
        largest_gap_seconds=1.9 if frames else seconds,
        audio_seconds=float(windows),
        audio_duration_seconds=seconds if windows else 0.0,
    )


def verdict(
    task: Task,
    score: float | None = 0.03,
    *,
    action: Action = Action.ALLOW,
    state: State = State.DECIDED,
    reason: str | None = None,
    evidence: tuple[Evidence, ...] = (),
    attribution: dict[Modality, float] | None = None,
    missing: tuple[Modality, ...] = (),
    covered: Coverage | None = None,
    categories: dict[str, float] | None = None,
) -> Verdict:
    """A verdict with a full lineage."""
    return Verdict(
        verdict_id="0f3a" * 16,
        video_id="v1",
        event_id="e1",
        task=task,
        state=state,
        action=action,
        reason=reason,
        logit=None if score is None else float(np.log(score / (1 - score))),
        score=score,
        threshold=0.5,
        evidence=evidence,
        categories=categories or {},
        attribution=attribution or {},
        missing_modalities=missing,
        coverage=covered,
        novelty=0.1,
        lineage=Lineage(
            content_sha256="9c1b" * 16,
            bundle_id="77aa" * 16,
            engine="onnxruntime-1.30.0-cpu",
            preprocessing_id="12ef" * 16,
            calibration_id="34ab" * 16,
            policy_version="2026-11-01",
            cache_tier="none",
            ffmpeg_version="8.1.2",
            earshot_version="0.1.0",
        ),
        latency_ms={"fetch": 1.8, "decode": 41.0, "wait": 12.0, "embed": 22.0, "score": 4.0, "decide": 0.2},
        cost=Cost(decode_cpu_ms=31.0, engine_ms=9.0),
        source=Source(topic="media.video.uploaded.v1", partition=0, offset=17),
    )


def reports() -> list[Shown]:
    """One of each kind."""
    return [_heard(), _seen(), _silent(), _soundtrack(), _brief(), _undecodable(), _dead()]


def summary() -> Summary:
    """A run in which everything was accounted for."""
    return Summary(
        bundle="world 77aa77aa77aa",
        wall_seconds=6.4,
        audit=AuditReport(consumed=7, verdict_events=6, dead_letters=1, lost=0, duplicated=0, in_flight=0),
        reupload=Reupload("heard-only-0001.mp4", cold_ms=212.0, cached_ms=2.4, cache_tier="memory", same_scores=True),
    )


def _frame(pixels: int, share: float) -> UInt8:
    row, column = np.mgrid[0:pixels, 0:pixels]
    ground = np.stack([row * 255 // pixels, column * 255 // pixels, np.full_like(row, int(255 * share))])
    inside = (row - pixels * 0.5) ** 2 + (column - pixels * (0.15 + 0.7 * share)) ** 2 < (pixels * 0.14) ** 2
    return np.where(inside, 240, ground // 2 + 40).astype(np.uint8)


def _event(file: str, title: str, *, hashtags: tuple[str, ...] = (), query: str | None = None) -> Event:
    uri = f"file:///clips/{file}"
    return Event(event_id="e1", source="/examples", video_id="v1", uri=uri, title=title, hashtags=hashtags, query=query)


def _seen_at(clip: Clip, weights: Sequence[float]) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(modality=Modality.VISION, weight=weight, start_ms=int(1000 * moment), end_ms=int(1000 * moment))
        for weight, moment in zip(weights, clip.frame_seconds_T, strict=False)
    )


def _heard_at(*spans: tuple[float, int, int], names: tuple[str | None, ...] = ()) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(modality=Modality.AUDIO, weight=weight, start_ms=start_ms, end_ms=end_ms, name=name)
        for (weight, start_ms, end_ms), name in zip_longest(spans, names)
    )


def _shift(vision: float, audio: float, text: float) -> dict[Modality, float]:
    return {Modality.VISION: vision, Modality.AUDIO: audio, Modality.TEXT: text}


def _heard() -> Shown:
    clip_seen = clip()
    how = partial(verdict, covered=clip_seen.coverage)
    heard = _heard_at((0.62, 6000, 7000), (0.09, 500, 1500), names=("Gunshot, gunfire", "Speech; Music"))
    parts = {"seen": 0.03, "heard": 0.98, "sexual": 0.02, "violent": 0.97}
    looked = _seen_at(clip_seen, (0.04, 0.03, 0.06))
    words = (Evidence(modality=Modality.TEXT, weight=0.34),)
    calm = _shift(-1.2, 0.3, 0.9)
    file = "heard-only-0001.mp4"
    return Shown(
        file,
        _event(file, "Red square crossing", hashtags=("shapes", "#calm"), query="red square"),
        (
            how(Task.CLICKBAIT, 0.04, evidence=(*words, *looked), attribution=calm),
            how(
                Task.ADULT,
                0.97,
                action=Action.BLOCK,
                evidence=heard + looked,
                attribution=_shift(0.2, 5.1, -0.4),
                categories=parts,
            ),
            how(Task.RELEVANCE, 0.66, action=Action.RESTRICT, evidence=words + heard, attribution=calm),
        ),
        clip_seen,
        Truth(
            "a siren, heard and never seen; the title keeps its promise",
            {Task.CLICKBAIT: False, Task.ADULT: True, Task.RELEVANCE: True},
            {
                Task.ADULT: (TrueSpan("siren", Modality.AUDIO, 5.8, 7.3),),
                Task.RELEVANCE: (TrueSpan("red square", Modality.VISION, 0.0, 12.0),),
            },
        ),
    )


def _seen() -> Shown:
    clip_seen = clip(73.0, frames=16, windows=6)
    how = partial(verdict, covered=clip_seen.coverage)
    rising = _seen_at(clip_seen, [0.02 * index for index in range(16)])
    file = "seen-only-0002.mp4"
    return Shown(
        file,
        _event(file, HOSTILE, hashtags=(HOSTILE,), query=HOSTILE),
        (
            how(Task.CLICKBAIT, 0.58, action=Action.REVIEW, evidence=rising, attribution=_shift(2.0, 0.1, 1.5)),
            how(Task.ADULT, 0.02, evidence=rising[:2], attribution=_shift(-3.0, 0.1, -0.2)),
        ),
        clip_seen,
        Truth("the title promises what never comes", {Task.CLICKBAIT: True, Task.ADULT: True}),
    )


def _silent() -> Shown:
    clip_seen = clip(5.0, frames=6, windows=0)
    end = (Evidence(modality=Modality.VISION, weight=0.7, start_ms=5000, end_ms=5000),)
    calm = verdict(Task.ADULT, 0.11, evidence=end, missing=(Modality.AUDIO,), covered=clip_seen.coverage)
    return Shown("silent.mp4", _event("silent.mp4", "A blue disc"), (calm,), clip_seen)


def _soundtrack() -> Shown:
    clip_heard = clip(9.0, frames=0, windows=2)
    unsure = verdict(
        Task.ADULT,
        0.4,
        state=State.MISSING_MODALITY,
        action=Action.REVIEW,
        reason="the policy requires vision; the video has none",
        evidence=_heard_at((0.7, 8000, 9100)),
        missing=(Modality.VISION,),
        covered=clip_heard.coverage,
    )
    return Shown("audio-only.mp4", _event("audio-only.mp4", "\u202egnp.exe"), (unsure,), clip_heard)


def _brief() -> Shown:
    clip_seen = clip(0.4, frames=1, windows=0)
    return Shown(
        "brief.mp4", _event("brief.mp4", ""), (verdict(Task.ADULT, 0.2, covered=clip_seen.coverage),), clip_seen
    )


def _undecodable() -> Shown:
    reason = "truncated: the index (moov) is missing; the file ends after 4,096 of 91,220 bytes"
    how = partial(verdict, score=None, state=State.UNDECODABLE, action=Action.REVIEW, reason=reason)
    return Shown(
        "truncated.mp4",
        _event("truncated.mp4", "Cut short"),
        (how(Task.CLICKBAIT), how(Task.ADULT)),
        truth=Truth("cut off after 4 KB", {}),
    )


def _dead() -> Shown:
    error = "no such object: file:///clips/missing.mp4; upload it, then replay the dead letter"
    return Shown("missing.mp4", _event("missing.mp4", "Gone"), dead_letter=DeadLetter("missing_object", error))
