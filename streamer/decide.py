"""Scores + policy -> Verdict. Pure: the same case, scores and policy give the same verdict and the same id."""

from __future__ import annotations

from typing import Any

import msgspec

from engines.known import joined
from streamer.evidence import evidence_of
from streamer.policy import Judgement
from streamer.records import (
    TASKS,
    Action,
    Case,
    Cost,
    Event,
    Modality,
    Scores,
    Source,
    State,
    Task,
    Verdict,
)
from streamer.wire import verdict_id


def decide(
    judgement: Judgement,
    case: Case,
    scores: Scores,
    *,
    latency_ms: dict[str, float],
    engine_ms: float,
    decided_at: str,
) -> tuple[Verdict, ...]:
    """The verdicts on every task of a case."""
    fused = scores.fused
    missing = tuple(modality for modality in (Modality.VISION, Modality.AUDIO) if not len(fused.spans_of(modality)))
    state, reason = judgement.state(missing, case.coverage)
    cost = Cost(decode_cpu_ms=case.clip.decode_cpu_ms if case.clip else 0.0, engine_ms=engine_ms)

    def verdict(task: Task) -> Verdict:
        k = TASKS.index(task)
        score = float(scores.scores_K[k])
        action = judgement.action(task, score)
        if state is not State.DECIDED:
            action = _more_severe(action, judgement.policy.undecided)
        return Verdict(
            **_identity(judgement, case.event, case.content.sha256, case.recall.tier, task, case.source),
            state=state,
            action=action,
            reason=reason,
            logit=float(scores.logits_K[k]),
            score=score,
            evidence=evidence_of(scores, k, judgement.naming),
            categories=({} if missing else _parts(scores, k))
            | {part.name: part.score for part in scores.categories[k]},
            attribution={m: float(scores.attribution_KM[k, i]) for i, m in enumerate(Modality)},
            missing_modalities=missing,
            coverage=case.coverage,
            novelty=joined(fused.novelty.values()),
            novelty_by=dict(fused.novelty),
            latency_ms=latency_ms,
            cost=cost,
            decided_at=decided_at,
        )

    return tuple(verdict(task) for task in case.event.tasks)


def decide_unseen(
    judgement: Judgement,
    event: Event,
    state: State,
    reason: str,
    *,
    content_sha256: str | None,
    latency_ms: dict[str, float],
    source: Source | None,
    decided_at: str,
) -> tuple[Verdict, ...]:
    """The verdicts on a video that could not be judged at all: "could not decide" is a verdict, not silence."""
    return tuple(
        Verdict(
            **_identity(judgement, event, content_sha256, "none", task, source),
            state=state,
            action=judgement.policy.undecided,
            reason=reason,
            logit=None,
            score=None,
            evidence=(),
            categories={},
            attribution={},
            missing_modalities=(Modality.VISION, Modality.AUDIO),
            coverage=None,
            novelty=None,
            novelty_by={},
            latency_ms=latency_ms,
            cost=Cost(),
            decided_at=decided_at,
        )
        for task in event.tasks
    )


def _identity(
    judgement: Judgement, event: Event, content_sha256: str | None, tier: str, task: Task, source: Source | None
) -> dict[str, Any]:
    """The fields of a verdict that say what it is about and who reached it."""
    lineage = judgement.lineage
    return {
        "verdict_id": verdict_id(event, content_sha256, lineage.bundle_id, judgement.policy.version, task),
        "video_id": event.video_id,
        "event_id": event.event_id,
        "task": task,
        "threshold": judgement.threshold(task),
        "lineage": msgspec.structs.replace(lineage, content_sha256=content_sha256, cache_tier=tier),
        "source": source,
        "tenant": event.tenant,
        "traceparent": event.traceparent,
    }


def _more_severe(left: Action, right: Action) -> Action:
    order = tuple(Action)
    return max(left, right, key=order.index)


def _parts(scores: Scores, k: int) -> dict[str, float]:
    """What the score would be from the picture alone and from the sound alone, each with the words."""
    order = tuple(Modality)
    left_out = {"seen": Modality.AUDIO, "heard": Modality.VISION}
    return {name: float(scores.without_KM[k, order.index(other)]) for name, other in left_out.items()}
